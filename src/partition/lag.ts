/** How many messages of a partition are stored and not handled for good. */
import { AckPolicy, type ConsumerInfo, DeliverPolicy } from "@nats-io/jetstream";
import type { CheckpointRecord } from "../lease/records.ts";
import type { Link } from "../nats/connection.ts";
import { findConsumer } from "../nats/find-consumer.ts";
import { fromNats } from "../nats/errors.ts";
import { durableName, partitionSubject } from "./names.ts";

/** Whose lag is read. */
export interface LagOptions {
  link: Link;
  stream: string;
  group: string;
  subject: string;
  /** Whether the stream is a work queue. */
  workQueue: boolean;
  partition: number;
  checkpoint: CheckpointRecord | undefined;
  /** Whether a live member owns it. */
  owned: boolean;
}

/**
 * Reads it: what the durable has yet to deliver, and what it has delivered beyond the checkpoint. Where that
 * does not tell, the messages are counted, which costs the server more.
 *
 * @throws DocktorError STREAM_NOT_FOUND, TIMEOUT, NOT_AUTHORIZED
 */
export async function readLag(options: LagOptions): Promise<number> {
  const { link, stream, group, partition, checkpoint, owned } = options;
  if (checkpoint === undefined) return await count(options);
  const name = durableName(group, partition, checkpoint.epoch);
  const durable = await findConsumer(link.manager, stream, name);
  const held = durable && heldOf(durable, checkpoint.delivered ?? 0, owned);
  return durable === undefined || held === undefined
    ? await count(options)
    : durable.num_pending + held;
}

/** What is under way of that which was delivered; undefined when it does not show. */
function heldOf(
  { config, delivered, num_ack_pending }: ConsumerInfo,
  covered: number,
  owned: boolean,
): number | undefined {
  // A work queue delivers again what is not acked, so that deliveries say little there.
  if (config.ack_policy !== AckPolicy.None) return num_ack_pending;
  const beyond = delivered.consumer_seq - covered;
  if (beyond <= 0) return 0;
  // Before the first commit some may be handled, by the owner before; and without an owner some may be gone.
  return owned && covered > 0 ? beyond : undefined;
}

/** Counts what lies behind the checkpoint. */
async function count(options: LagOptions): Promise<number> {
  const { link, stream, workQueue, subject, partition, checkpoint } = options;
  const filter_subject = partitionSubject(subject, partition);
  const { streams, consumers } = link.manager;
  try {
    if (workQueue) {
      const { state } = await streams.info(stream, { subjects_filter: filter_subject });
      return state.subjects?.[filter_subject] ?? 0;
    }
    const counter = await consumers.add(stream, {
      ack_policy: AckPolicy.None,
      deliver_policy: DeliverPolicy.StartSequence,
      opt_start_seq: (checkpoint?.sequence ?? 0) + 1,
      filter_subject,
      mem_storage: true,
    });
    await consumers.delete(stream, counter.name);
    return counter.num_pending;
  } catch (error) {
    throw fromNats(error, `count the messages of partition ${partition}`);
  }
}
