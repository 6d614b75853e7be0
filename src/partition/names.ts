/**
 * The names of what docktor keeps in NATS, dead letters apart, and which names users may choose.
 */
import { invalidOption, written } from "../errors.ts";

const NAME = /^[A-Za-z0-9_-]+$/;
const SUBJECT_TOKEN = /^[A-Za-z0-9_=/-]+$/;

/** The most partitions a subject can have. */
const MAX_PARTITIONS = 65_536;

/** The header that carries a message's key. */
export const KEY_HEADER = "Docktor-Key";

/** The bucket that records how many partitions a subject has. */
export const TOPOLOGY_BUCKET = "docktor_topology";

/** Checks a name that becomes part of bucket, key and durable names: letters, digits, `-`, `_`. */
export function checkName(what: "group" | "memberId" | "stream", name: string): string {
  // Whoever writes JavaScript may have forgotten it.
  if (typeof name === "string" && NAME.test(name)) return name;
  throw invalidOption(
    `${what} ${JSON.stringify(name)} is not a valid name: use letters, digits, "-" and "_" only`,
  );
}

/** Checks the subject prefix: tokens joined by dots, of characters that a bucket key may have. */
export function checkSubject(subject: string): string {
  if (
    typeof subject === "string" &&
    subject.split(".").every((token) => SUBJECT_TOKEN.test(token))
  ) {
    return subject;
  }
  throw invalidOption(
    `subject ${JSON.stringify(subject)} is not a valid prefix: use tokens of letters, digits, "-", "_", "=" and "/" joined by dots, such as "events"`,
  );
}

/** Checks a partition count: a whole number from 1 to {@link MAX_PARTITIONS}. */
export function checkPartitions(partitions: number): number {
  if (Number.isInteger(partitions) && partitions >= 1 && partitions <= MAX_PARTITIONS) {
    return partitions;
  }
  throw invalidOption(
    `partitions ${written(partitions)} is not possible: use a whole number from 1 to ${MAX_PARTITIONS}`,
  );
}

/** The subject of one partition: `<subject>.p.<n>`. */
export function partitionSubject(subject: string, partition: number): string {
  return `${subject}.p.${partition}`;
}

/** The subjects of the first `partitions` partitions, in order. */
export function partitionSubjects(subject: string, partitions: number): string[] {
  return Array.from({ length: partitions }, (_, n) => partitionSubject(subject, n));
}

/** The subjects of all partitions, as a stream stores them. */
export function allPartitionSubjects(subject: string): string {
  return `${subject}.p.*`;
}

/** The bucket of the group's sessions: who is alive. */
export function membersBucket(stream: string, group: string): string {
  return `docktor_${stream}_${group}_members`;
}

/** The bucket of the group's roster, leases and checkpoints: who owns what, how far it is. */
export function leasesBucket(stream: string, group: string): string {
  return `docktor_${stream}_${group}_leases`;
}

/** How the names of a group's durables begin. */
export function durablePrefix(group: string): string {
  return `${group}-p`;
}

/** The durable consumer of one partition in one epoch. */
export function durableName(group: string, partition: number, epoch: number): string {
  return `${durablePrefix(group)}${partition}-e${epoch}`;
}
