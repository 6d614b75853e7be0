/**
 * How many partitions a subject has, agreed through NATS: whoever comes first writes it
 * down, everyone after checks. Two counts on one subject would send one key to two
 * partitions and so break its order.
 */
import { DocktorError, isDocktorError } from "../errors.ts";
import { findBucket, openBucket } from "../lease/kv-store.ts";
import { ABSENT, type Store } from "../lease/store.ts";
import type { Link } from "../nats/connection.ts";
import { TOPOLOGY_BUCKET } from "./names.ts";
import { PARTITION_HASH } from "./partitioner.ts";

/** What is recorded of a subject. */
export interface Topology {
  readonly partitions: number;
  /** How keys are mapped to partitions. */
  readonly hash: string;
  /** Counts changes of the partitioning; 1 at first. */
  readonly generation: number;
}

/** The subject whose topology is meant. */
export interface TopologyScope {
  stream: string;
  subject: string;
}

/** The recorded topology; undefined when nobody used the subject yet. */
export async function readTopology(
  link: Link,
  scope: TopologyScope,
): Promise<Topology | undefined> {
  const store = await findBucket(link, TOPOLOGY_BUCKET);
  return store === undefined ? undefined : await read(store, scope);
}

/**
 * The subject's partition count: recorded now if nobody did before, else checked
 * against `partitions`, which may be left out once it is recorded.
 *
 * @throws DocktorError PARTITION_COUNT_MISMATCH, PARTITION_COUNT_UNKNOWN
 */
export async function agreeOnPartitions(
  link: Link,
  scope: TopologyScope & { partitions?: number; replicas: number },
): Promise<number> {
  const known = await readTopology(link, scope);
  if (known !== undefined) return check(scope, known);
  const { partitions } = scope;
  if (partitions === undefined) throw unknownCount(scope);
  const store = await openBucket(link, TOPOLOGY_BUCKET, {
    replicas: scope.replicas,
  });
  const topology: Topology = {
    partitions,
    hash: PARTITION_HASH,
    generation: 1,
  };
  try {
    await store.write(key(scope), topology, ABSENT);
    return partitions;
  } catch (error) {
    const first = isDocktorError(error, "CONFLICT") ? await read(store, scope) : undefined;
    if (first === undefined) throw error;
    return check(scope, first);
  }
}

/** The error for a count that was left out although nobody has set it. */
export function unknownCount({ stream, subject }: TopologyScope): DocktorError {
  return new DocktorError(
    "PARTITION_COUNT_UNKNOWN",
    `nobody has set how many partitions ${subject} on stream ${stream} has: give the option partitions once`,
  );
}

function key(scope: TopologyScope): string {
  return `${scope.stream}.${scope.subject}`;
}

async function read(store: Store, scope: TopologyScope): Promise<Topology | undefined> {
  const value = (await store.get(key(scope)))?.value;
  if (value === undefined) return undefined;
  const { partitions, hash, generation } = value as Partial<Topology>;
  if (
    Number.isInteger(partitions) &&
    Number(partitions) >= 1 &&
    hash === PARTITION_HASH &&
    Number.isInteger(generation)
  ) {
    return value as Topology;
  }
  throw new DocktorError(
    "RECORD_INVALID",
    `the record ${key(scope)} in bucket ${TOPOLOGY_BUCKET} is not one that this version of docktor can read (${JSON.stringify(value)}): use the version that wrote it, or another subject`,
  );
}

function check(scope: TopologyScope & { partitions?: number }, known: Topology): number {
  if (scope.partitions === undefined || scope.partitions === known.partitions) {
    return known.partitions;
  }
  throw new DocktorError(
    "PARTITION_COUNT_MISMATCH",
    `${scope.subject} on stream ${scope.stream} has ${known.partitions} partitions, not ${scope.partitions}: use ${known.partitions}, or leave partitions out`,
  );
}
