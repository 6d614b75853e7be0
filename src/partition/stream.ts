/** The stream of a partitioned subject: opened, checked, and its partition count agreed on. */
import type { StreamConfig } from "@nats-io/jetstream";
import { limitsConsumers } from "../nats/capabilities.ts";
import type { Link } from "../nats/connection.ts";
import { openStream } from "../nats/stream.ts";
import { allPartitionSubjects, partitionSubjects } from "./names.ts";
import { agreeOnPartitions, readTopology, type TopologyScope, unknownCount } from "./topology.ts";

/**
 * How many consumers a stream is to permit that docktor makes: each group has one of a partition, and up to
 * three while it moves.
 */
const MOST_CONSUMERS = 100_000;

/** What is to be opened. */
export interface PartitionedStreamOptions extends TopologyScope {
  /** How many partitions there are; undefined: as many as are recorded. */
  partitions: number | undefined;
  /** Whether to create a missing stream, and with which settings. */
  ensureStream: boolean | Partial<StreamConfig>;
}

/** A stream that holds all partitions of a subject. */
export interface PartitionedStream {
  readonly config: StreamConfig;
  readonly partitions: number;
  /** Whether the stream was created just now. */
  readonly created: boolean;
}

/**
 * Opens it.
 *
 * @throws DocktorError STREAM_NOT_FOUND, STREAM_SUBJECT_MISMATCH, STREAM_UNSUITABLE,
 *   PARTITION_COUNT_MISMATCH, PARTITION_COUNT_UNKNOWN
 */
export async function openPartitionedStream(
  link: Link,
  { stream, subject, partitions, ensureStream }: PartitionedStreamOptions,
): Promise<PartitionedStream> {
  const count = partitions ?? (await readTopology(link, { stream, subject }))?.partitions;
  // A call that must fail creates nothing.
  if (count === undefined && ensureStream !== false) throw unknownCount({ stream, subject });
  const { config, created } = await openStream(link.manager, {
    stream,
    subjects: partitionSubjects(subject, count ?? 1),
    createSubjects: [allPartitionSubjects(subject)],
    ensureStream,
    ...(limitsConsumers(link.connection) ? { maxConsumers: MOST_CONSUMERS } : {}),
  });
  const scope = { stream, subject, replicas: config.num_replicas };
  const agreed = await agreeOnPartitions(link, {
    ...scope,
    ...(count === undefined ? {} : { partitions: count }),
  });
  return { config, partitions: agreed, created };
}
