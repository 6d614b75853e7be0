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
import {
  fromNats,
  isConsumerExists,
  isConsumerNotFound,
  isStreamNotFound,
} from "../nats/errors.ts";
import { durableName, partitionSubject } from "../partition/names.ts";

/**
 * After how long the server sends an unacknowledged message again. What gets lost on its
 * way is noticed by the gap in the delivery sequence, so this is only the last resort, and
 * long enough not to resend what a slow handler has not reached yet.
 */
const ACK_WAIT_MS = 10 * 60_000;

/**
 * How long a member rests after it has made a durable ahead of a hand-over, as a multiple of how long that
 * took: nothing waits for the next one, and the others' partitions get their messages meanwhile. Measured
 * with 8 hand-overs at a time on 2 cores: 3 instead of 1 lowers their p50 from 21 to 15 ms.
 */
const REST = 3;

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
   * This member's creations, one at a time: the server holds the stream for each, and between two of
   * them the partitions that do not move get their messages.
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
  const { link, stream, group, partition, epoch, after, maxUncommitted } = options;
  const name = durableName(group, partition, epoch);
  for (;;) {
    const found = await findConsumer(link.manager, stream, name);
    if (found !== undefined) {
      const unused = found.delivered.consumer_seq === 0;
      const fits = found.config.max_ack_pending === maxUncommitted;
      if (unused && fits && (found.config.opt_start_seq ?? 0) <= after + 1) return found;
      // Left over from a group of the same name whose buckets were deleted, or made by one with another window.
      await removeDurable(link, stream, name);
    }
    try {
      return await createDurable(options);
    } catch (error) {
      // One that the owner before had asked for was made meanwhile.
      if (!isConsumerExists(error)) throw error;
    }
  }
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

/**
 * Gives a durable that another member has made as much room as its owner has: with a smaller window, as
 * before a change of the options, the flow would stop for every few messages until they are committed.
 */
export async function fitDurable(options: DurableOptions): Promise<void> {
  const { link, stream, group, partition, epoch, maxUncommitted: max_ack_pending } = options;
  const name = durableName(group, partition, epoch);
  const found = await findConsumer(link.manager, stream, name);
  // Its deletion is noticed by the flow.
  if (found === undefined || found.config.max_ack_pending === max_ack_pending) return;
  try {
    await link.manager.consumers.update(stream, name, { max_ack_pending });
  } catch (error) {
    if (isConsumerNotFound(error)) return;
    throw fromNats(error, `update durable ${name} on stream ${stream}`);
  }
}

/** Creates the durable of a partition that waits for it. */
export async function createDurable(options: DurableOptions): Promise<ConsumerInfo> {
  return await options.creations.add(() => create(options));
}

/** Creates the durable ahead of a hand-over, at leisure. */
export async function createDurableAhead(options: DurableOptions): Promise<ConsumerInfo> {
  const { creations } = options;
  return await creations.add(async () => {
    const begunAt = performance.now();
    const info = await create(options);
    const tookMs = performance.now() - begunAt;
    void creations.add(() => setTimeout(REST * tookMs), { priority: 1 });
    return info;
  });
}

async function create(options: DurableOptions): Promise<ConsumerInfo> {
  const { link, stream, group, partition, epoch } = options;
  const name = durableName(group, partition, epoch);
  try {
    return await link.manager.consumers.add(stream, {
      durable_name: name,
      ack_wait: nanos(ACK_WAIT_MS),
      filter_subject: partitionSubject(options.subject, partition),
      max_ack_pending: options.maxUncommitted,
      ...flowOf(options),
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
