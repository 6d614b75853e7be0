/** Everything a consumer needs from NATS before it can join: opened and checked in order. */
import { RetentionPolicy } from "@nats-io/jetstream";
import { openBucket } from "../lease/kv-store.ts";
import type { SessionStore, Store } from "../lease/store.ts";
import { type Link, openLink } from "../nats/connection.ts";
import { type PatienceOptions, patiently } from "../nats/patience.ts";
import { leasesBucket, membersBucket } from "../partition/names.ts";
import { openPartitionedStream } from "../partition/stream.ts";
import type { ConsumerSettings } from "./options.ts";

/** An open consumer's means. */
export interface Resources {
  readonly link: Link;
  /** Whether the stream is a work queue: it removes what is acked, message by message. */
  readonly workQueue: boolean;
  readonly partitions: number;
  /** How many replicas the stream has, and what belongs to it gets. */
  readonly replicas: number;
  /** Whether the stream was created for this consumer. */
  readonly streamCreated: boolean;
  readonly sessions: SessionStore;
  readonly leases: Store;
}

/**
 * Opens them.
 *
 * @throws DocktorError of the connection, the stream, the topology or the buckets
 */
export async function openResources(
  settings: ConsumerSettings,
  patience: PatienceOptions,
): Promise<Resources> {
  const link = await openLink(settings.source, `docktor ${settings.group} ${settings.memberId}`);
  try {
    return await patiently(patience, () => open(link, settings));
  } catch (error) {
    await link.close();
    throw error;
  }
}

async function open(link: Link, settings: ConsumerSettings): Promise<Resources> {
  const { stream, subject, group, ttlMs, ensureStream } = settings;
  const { config, partitions, created } = await openPartitionedStream(link, {
    stream,
    subject,
    partitions: settings.partitions,
    ensureStream,
  });
  const replicas = config.num_replicas;
  const requestTimeoutMs = Math.max(250, Math.min(2_000, ttlMs / 3));
  const sessions = await openBucket(link, membersBucket(stream, group), {
    replicas,
    ttlMs,
    requestTimeoutMs,
  });
  const leases = await openBucket(link, leasesBucket(stream, group), { replicas });
  return {
    link,
    workQueue: config.retention === RetentionPolicy.Workqueue,
    partitions,
    replicas,
    streamCreated: created,
    sessions,
    leases,
  };
}
