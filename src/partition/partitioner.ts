/**
 * Which partition a key belongs to.
 *
 * The hash is FNV-1a with 32 bits over the key's UTF-8 bytes, reduced modulo the
 * partition count: the one that nats-server computes for `{{partition(n,…)}}` in a
 * subject mapping, so a mapping on the server and this function agree.
 *
 * Source: G. Fowler, L. C. Noll, K.-P. Vo, "The FNV Non-Cryptographic Hash Algorithm".
 */

const OFFSET_BASIS = 0x811c9dc5;
const PRIME = 0x01000193;

/** The name under which the hash is recorded in the topology. */
export const PARTITION_HASH = "fnv1a-32";

/** FNV-1a, 32 bits, of the string's UTF-8 bytes, as an unsigned integer. */
export function fnv1a32(text: string): number {
  let hash = OFFSET_BASIS;
  for (let i = 0; i < text.length; i++) {
    const unit = text.charCodeAt(i);
    // Only ASCII is its own UTF-8; from the first other character on, encode.
    if (unit > 0x7f) return hashBytes(Buffer.from(text.slice(i), "utf8"), hash);
    hash = Math.imul(hash ^ unit, PRIME);
  }
  return hash >>> 0;
}

function hashBytes(bytes: Uint8Array, seed: number): number {
  let hash = seed;
  for (const byte of bytes) hash = Math.imul(hash ^ byte, PRIME);
  return hash >>> 0;
}

/** The partition of `key`, from 0 to `partitions - 1`. */
export function partitionOf(key: string, partitions: number): number {
  return fnv1a32(key) % partitions;
}
