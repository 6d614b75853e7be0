/** The durable pull consumer of one partition in one epoch. */
import {
  AckPolicy,
  type ConsumerConfig,
  type ConsumerInfo,
  DeliverPolicy,
} from "@nats-io/jetstream";
import type PQueue from "p-queue";
import { setImmediate, setTimeout } from "node:timers/promises";
import { nanos } from "@nats-io/transport-node";
import { DocktorError } from "../../errors.ts";
import type { Link } from "../../nats/connection.ts";
import { findConsumer } from "../../nats/find-consumer.ts";
import {
  fromNats,
  isConsumerConflict,
  isConsumerExists,
  isConsumerLimit,
  isConsumerNotFound,
  isStreamNotFound,
} from "../../nats/errors.ts";
import { durableName, partitionSubject } from "../../partition/names.ts";

/**
 * After how long a work queue sends an unacknowledged message again. What gets lost on its
 * way is noticed by the gap in the delivery sequence, so this is only the last resort, and
 * long enough not to resend what a slow handler has not reached yet.
 */
const ACK_WAIT_MS = 10 * 60_000;

/**
 * How long a member rests between two durables ahead of hand-overs, as a multiple of how long the first one
 * took: so that fewer hand-overs at a time share the cores. Measured with 8 of them on 2 full cores: 8 instead
 * of 3 lowers their p99 from 76 to 52 ms.
 */
const REST_TIMES = 8;
/** With more partitions waiting it rests less: a member that leaves with hundreds of them is to be through in seconds. */
const FULL_REST_UP_TO = 16;
/** And never longer than this: a cluster that is choosing its leaders takes seconds for a durable. */
const LONGEST_REST_MS = 250;

/** How often, and with what pauses, it is tried to remove a durable of which it is not known whether it is there. */
const REMOVALS = 10;
const REMOVAL_PAUSE_MS = 1_000;

/** A member's steps that keep the server busy, each queue one at a time. */
export interface Queues {
  /**
   * Creations and removals of durables: the server holds the stream for each, and between two of them the
   * partitions that do not move get their messages.
   */
  readonly creations: PQueue;
  /** Durables that are made ahead of hand-overs, and the rests between them. */
  readonly preparations: PQueue;
}

/** Which partition's messages, and from where. */
export interface DurableOptions {
  link: Link;
  stream: string;
  /** Whether the stream removes what is acked. Elsewhere nothing is. */
  workQueue: boolean;
  subject: string;
  group: string;
  partition: number;
  epoch: number;
  /** The last handled sequence. */
  after: number;
  /** How many messages of a work queue may be delivered and not acked. */
  maxAckPending: number;
  creations: Queues["creations"];
}

/**
 * The durable of the epoch: a new one, or one that is there already and will do, as when the owner
 * before has made it and crashed.
 *
 * It is not looked for first: nothing flows until it is there, and hardly ever is there one.
 */
export async function openDurable(options: DurableOptions): Promise<ConsumerInfo> {
  try {
    return await open(options);
  } catch (error) {
    // It may come into being yet, and nobody else uses that of this epoch.
    void removeUntilAnswered(options);
    throw error;
  }
}

async function open(options: DurableOptions): Promise<ConsumerInfo> {
  const { link, stream, group, partition, epoch, after } = options;
  const name = durableName(group, partition, epoch);
  for (;;) {
    const found = await createOrFind(options);
    // Another member is just removing it.
    if (found === undefined) continue;
    const { config, delivered } = found;
    const unused = delivered.consumer_seq === 0;
    const { ack_policy, max_ack_pending } = acksOf(options);
    const fits =
      config.ack_policy === ack_policy &&
      (max_ack_pending === undefined || config.max_ack_pending === max_ack_pending) &&
      config.filter_subject === partitionSubject(options.subject, partition);
    if (unused && fits && (config.opt_start_seq ?? 0) <= after + 1) return found;
    // Left over from a group of the same name whose buckets were deleted, or made by one with other settings.
    await removeDurable(link, stream, name);
  }
}

/** Where one has the same settings, the server creates none and tells of that one. */
async function createOrFind(options: DurableOptions): Promise<ConsumerInfo | undefined> {
  const { link, stream, group, partition, epoch } = options;
  try {
    return await createDurable(options);
  } catch (error) {
    if (!isConsumerConflict(error)) throw error;
    const found = await findConsumer(link.manager, stream, durableName(group, partition, epoch));
    if (found === undefined && !isConsumerExists(error)) throw error;
    return found;
  }
}

/**
 * What a release calls the settings of the durables that are prepared: a member that makes them otherwise, as one
 * of a later version might, takes over none.
 */
export const DURABLE_SETTINGS: string = "no-acks";

/**
 * Creates the durable of a partition that waits for it: ahead of removals, and of what is for later. Whoever waited
 * asks for messages before the next durable is made: nats-server 2.9 takes what comes on one connection in turn, and
 * would have them wait for that, too.
 */
export async function createDurable(options: DurableOptions): Promise<ConsumerInfo> {
  return await new Promise((resolve, reject) => {
    const createAndYield = async (): Promise<void> => {
      await create(options).then(resolve, reject);
      await setImmediate();
    };
    void options.creations.add(createAndYield, { priority: 1 });
  });
}

/**
 * Creates the durable ahead of a hand-over, at leisure.
 *
 * @param queues a preparation and the rest behind it hold up no creation that a partition waits for
 * @param current the durable as it is to be when its turn has come; throws when it is not wanted any more
 */
export async function createDurableAhead(
  { preparations, creations }: Queues,
  current: () => DurableOptions,
): Promise<ConsumerInfo> {
  const timed = async (): Promise<{ info: ConsumerInfo; tookMs: number }> => {
    const options = current();
    const begunAt = performance.now();
    const info = await create(options);
    return { info, tookMs: performance.now() - begunAt };
  };
  return await preparations.add(async () => {
    const { info, tookMs } = await creations.add(timed);
    const restMs = restAfter(tookMs, preparations.size);
    void preparations.add(() => setTimeout(restMs), { priority: 1 });
    return info;
  });
}

/** How long to rest after a preparation when so many others wait, in milliseconds. */
export function restAfter(tookMs: number, waiting: number): number {
  const times = (REST_TIMES * FULL_REST_UP_TO) / Math.max(FULL_REST_UP_TO, waiting);
  return Math.min(tookMs * Math.max(1, times), LONGEST_REST_MS);
}

async function create(options: DurableOptions): Promise<ConsumerInfo> {
  const { link, stream, group, partition, epoch } = options;
  const name = durableName(group, partition, epoch);
  try {
    return await link.manager.consumers.add(stream, {
      durable_name: name,
      filter_subject: partitionSubject(options.subject, partition),
      ...acksOf(options),
      ...startOf(options),
    });
  } catch (error) {
    const doing = `create durable ${name} on stream ${stream}`;
    if (!isConsumerLimit(error)) throw fromNats(error, doing);
    throw new DocktorError(
      "CONSUMER_LIMIT",
      `cannot ${doing}: it has as many consumers as it permits, and each group needs one of every partition, and up to three while partitions move; raise max_consumers of the stream, as "nats stream edit ${stream} --max-consumers 100000" does on a server from 2.15 on, or the limit of its account or server (default_max_consumers)`,
      { cause: error },
    );
  }
}

async function removeUntilAnswered(options: DurableOptions): Promise<void> {
  const { link, stream, group, partition, epoch } = options;
  for (let tries = 0; tries < REMOVALS && !link.connection.isClosed(); tries++) {
    try {
      return await removeDurable(link, stream, durableName(group, partition, epoch));
    } catch {
      // No reason for the process to go on.
      await setTimeout(REMOVAL_PAUSE_MS, undefined, { ref: false });
    }
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

type Acks = Pick<ConsumerConfig, "ack_policy" | "ack_wait" | "max_ack_pending">;

function acksOf({ workQueue, maxAckPending }: DurableOptions): Partial<Acks> {
  if (!workQueue) return { ack_policy: AckPolicy.None };
  return {
    ack_policy: AckPolicy.Explicit,
    ack_wait: nanos(ACK_WAIT_MS),
    max_ack_pending: maxAckPending,
  };
}

function startOf({ workQueue, after }: DurableOptions): Partial<ConsumerConfig> {
  // A work queue hands out what is left of it: it permits no other start.
  if (workQueue) return { deliver_policy: DeliverPolicy.All };
  return { deliver_policy: DeliverPolicy.StartSequence, opt_start_seq: after + 1 };
}
