/** The durable pull consumer of one partition in one epoch. */
import {
  AckPolicy,
  type ConsumerConfig,
  type ConsumerInfo,
  DeliverPolicy,
} from "@nats-io/jetstream";
import type PQueue from "p-queue";
import { setTimeout } from "node:timers/promises";
import { nanos } from "@nats-io/transport-node";
import type { Link } from "../nats/connection.ts";
import { findConsumer } from "../nats/consumer.ts";
import { fromNats, isConsumerNotFound, isStreamNotFound } from "../nats/errors.ts";
import { durableName, partitionSubject } from "../partition/names.ts";

/**
 * After how long the server sends an unacknowledged message again. What gets lost on its
 * way is noticed by the gap in the delivery sequence, so this is only the last resort, and
 * long enough not to resend what a slow handler has not reached yet.
 */
const ACK_WAIT_MS = 10 * 60_000;

/**
 * How long a member rests after a creation, as a multiple of how long that took. While its partition
 * waits for it: half of the time is the others'. Ahead of a hand-over, while work goes on: measured with
 * 8 hand-overs at a time on 2 cores, a rest of 3 instead of 1 lowers their p50 from 21 to 15 ms.
 */
const REST = { waiting: 1, ahead: 3 };

/** Which partition's messages, and from where. */
export interface DurableOptions {
  link: Link;
  stream: string;
  workQueue: boolean;
  subject: string;
  group: string;
  partition: number;
  epoch: number;
  /** The last handled sequence. */
  after: number;
  /** How many messages may be delivered and not committed. */
  maxUncommitted: number;
  /**
   * This member's creations, one at a time and with rests: the server holds the stream for each,
   * and between two of them the partitions that do not move get their messages.
   */
  creations: PQueue;
}

/**
 * The durable of the epoch: one that is there already, if it will do, or a new one.
 *
 * Creating one takes the server up to tens of milliseconds, as it counts what is pending;
 * so the owner before does it while it still works, and a hand-over does not wait for it.
 */
export async function openDurable(options: DurableOptions): Promise<ConsumerInfo> {
  const { link, stream, group, partition, epoch, after } = options;
  const name = durableName(group, partition, epoch);
  const found = await findConsumer(link.manager, stream, name);
  if (found === undefined) return await createDurable(options, "waiting");
  const unused = found.delivered.consumer_seq === 0;
  if (unused && (found.config.opt_start_seq ?? 0) <= after + 1) return found;
  // Left over from a group of the same name whose buckets were deleted.
  await removeDurable(link, stream, name);
  return await createDurable(options, "waiting");
}

/** The durable of the epoch, which the owner before has made: no look at it is needed. */
export function preparedDurable({ stream, group, partition, epoch }: DurableOptions): ConsumerInfo {
  // Of all that the server could tell, a delivery needs no more than where to ask.
  return {
    stream_name: stream,
    name: durableName(group, partition, epoch),
    config: { ack_policy: AckPolicy.All },
  } as ConsumerInfo;
}

/** Creates the durable, for a partition that waits for it or ahead of its hand-over. */
export async function createDurable(
  options: DurableOptions,
  when: keyof typeof REST,
): Promise<ConsumerInfo> {
  const { link, stream, group, partition, epoch, creations } = options;
  const name = durableName(group, partition, epoch);
  const config = {
    durable_name: name,
    ack_wait: nanos(ACK_WAIT_MS),
    filter_subject: partitionSubject(options.subject, partition),
    max_ack_pending: options.maxUncommitted,
    ...flowOf(options),
  };
  try {
    return await creations.add(async () => {
      const begunAt = performance.now();
      const info = await link.manager.consumers.add(stream, config);
      const tookMs = performance.now() - begunAt;
      void creations.add(() => setTimeout(REST[when] * tookMs), { priority: 1 });
      return info;
    });
  } catch (error) {
    throw fromNats(error, `create durable ${name} on stream ${stream}`);
  }
}

/** Removes the durable, if it is there. */
export async function removeDurable(link: Link, stream: string, name: string): Promise<void> {
  try {
    await link.manager.consumers.delete(stream, name);
  } catch (error) {
    if (isConsumerNotFound(error) || isStreamNotFound(error)) return;
    throw fromNats(error, `delete durable ${name} on stream ${stream}`);
  }
}

function flowOf({ workQueue, after }: DurableOptions): Partial<ConsumerConfig> {
  // A work queue hands out what is left of it: it permits no other start, and removes
  // messages one by one.
  if (workQueue) {
    return { ack_policy: AckPolicy.Explicit, deliver_policy: DeliverPolicy.All };
  }
  return {
    ack_policy: AckPolicy.All,
    deliver_policy: DeliverPolicy.StartSequence,
    opt_start_seq: after + 1,
  };
}
