/** What must hold in every state of the protocol, whatever happened on the way to it. */
import { isDocktorError } from "../../../src/errors.ts";
import { Lease } from "../../../src/lease/lease.ts";
import {
  type CheckpointRecord,
  checkpointKey,
  type LeaseRecord,
  leaseKey,
  parseLease,
} from "../../../src/lease/records.ts";
import { declareDead, Session } from "../../../src/lease/session.ts";
import { ABSENT } from "../../../src/lease/store.ts";
import { ManualClock } from "../clock.ts";
import { MemoryStore } from "../memory-store.ts";

/** The partition that all members are after. */
export const PARTITION = 0;

/** Watches what lands in the store and what members are told, and judges it. */
export class Invariants {
  lease: LeaseRecord | undefined;
  checkpoint: CheckpointRecord | undefined;
  /** The greatest sequence whose commit was acknowledged to its caller. */
  acknowledged = 0;
  /** The first thing that went wrong. */
  broken: string | undefined;
  /** By epoch, who wrote the checkpoint. */
  readonly #committers = new Map<number, string>();
  /** By epoch and sequence, what was ever in the checkpoint. */
  readonly #written = new Set<string>();

  /** A write has landed. */
  landed(member: string, key: string, value: unknown): void {
    if (key === leaseKey(PARTITION)) this.#leaseLanded(value as LeaseRecord);
    if (key === checkpointKey(PARTITION)) this.#checkpointLanded(member, value as CheckpointRecord);
  }

  /** A commit was acknowledged to its caller. */
  committed(epoch: number, sequence: number): void {
    if (!this.#written.has(`${epoch}: ${sequence}`)) {
      this.breaks(`the commit of ${sequence} in epoch ${epoch} was acknowledged, and not written`);
    }
    this.acknowledged = Math.max(this.acknowledged, sequence);
    const stored = this.checkpoint?.sequence ?? 0;
    if (stored < sequence) {
      this.breaks(`the commit of ${sequence} was acknowledged, and the checkpoint is at ${stored}`);
    }
  }

  breaks(what: string): void {
    this.broken ??= what;
  }

  #leaseLanded(now: LeaseRecord): void {
    const before = this.lease;
    const claimed = now.owner !== undefined;
    if (before !== undefined && (claimed ? now.epoch <= before.epoch : now.epoch < before.epoch)) {
      this.breaks(`the lease went from epoch ${before.epoch} to ${now.epoch}`);
    }
    this.lease = now;
  }

  #checkpointLanded(member: string, now: CheckpointRecord): void {
    const { epoch, sequence, created } = now;
    const committer = this.#committers.get(epoch) ?? member;
    this.#committers.set(epoch, committer);
    if (committer !== member) this.breaks(`${committer} and ${member} commit at epoch ${epoch}`);
    const before = this.checkpoint;
    if (before !== undefined && epoch < before.epoch) {
      this.breaks(`the checkpoint went from epoch ${before.epoch} back to ${epoch}`);
    }
    if (before?.created === created && sequence < before.sequence) {
      this.breaks(`the checkpoint went from sequence ${before.sequence} back to ${sequence}`);
    }
    this.checkpoint = now;
    this.#written.add(`${epoch}: ${sequence}`);
    if (sequence < this.acknowledged) {
      this.breaks(
        `${this.acknowledged} was acknowledged, and the next owner starts at ${sequence}`,
      );
    }
  }
}

/**
 * What goes wrong when everyone stops for good in this state, and someone new comes after the TTL:
 * it must get the partition, from what was acknowledged on; undefined when it does.
 */
export async function takeOverFails(now: Invariants): Promise<string | undefined> {
  const clock = new ManualClock();
  const sessions = new MemoryStore(clock);
  const store = new MemoryStore(clock);
  if (now.lease !== undefined) await store.write(leaseKey(PARTITION), now.lease, ABSENT);
  if (now.checkpoint !== undefined) {
    await store.write(checkpointKey(PARTITION), now.checkpoint, ABSENT);
  }
  const session = await Session.open({ store: sessions, clock, memberId: "heir", ttlMs: 1_000 });
  try {
    const entry = await store.get(leaseKey(PARTITION));
    const seen = entry && { record: parseLease(entry.key, entry.value), revision: entry.revision };
    const { owner, incarnation } = seen?.record ?? {};
    const dead =
      owner === undefined ||
      incarnation === undefined ||
      (await declareDead(sessions, owner, incarnation));
    if (!dead) return `nobody can declare ${owner} dead`;
    const created = now.checkpoint?.created ?? "";
    const lookAtStream = () => Promise.resolve({ created, lastSequence: Number.MAX_SAFE_INTEGER });
    const claim = { store, session, partition: PARTITION, seen, lookAtStream };
    const lease = await Lease.claim({ ...claim, durableSettings: "all 512" });
    const { sequence } = lease.checkpoint;
    if (sequence >= now.acknowledged) return undefined;
    return `${now.acknowledged} was acknowledged, and an heir starts at ${sequence}`;
  } catch (error) {
    if (!isDocktorError(error)) throw error;
    return `an heir cannot claim the partition: ${error.message}`;
  } finally {
    session.abandon();
  }
}
