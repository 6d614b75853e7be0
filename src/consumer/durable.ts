/** The durable pull consumer of one partition in one epoch. */
import { AckPolicy, type ConsumerInfo, DeliverPolicy, RetentionPolicy } from "@nats-io/jetstream";
import { nanos } from "@nats-io/transport-node";
import type { Link } from "../nats/connection.ts";
import { fromNats, isConsumerNotFound, isStreamNotFound } from "../nats/errors.ts";
import { durableName, partitionSubject } from "../partition/names.ts";

/**
 * After how long the server sends an unacknowledged message again. What gets lost on its
 * way is noticed by the gap in the delivery sequence, so this is only the last resort, and
 * long enough not to resend what a slow handler has not reached yet.
 */
const ACK_WAIT_MS = 10 * 60_000;

/** Which partition's messages, and from where. */
export interface DurableOptions {
  link: Link;
  stream: string;
  retention: RetentionPolicy;
  subject: string;
  group: string;
  partition: number;
  epoch: number;
  /** The last handled sequence. */
  after: number;
  /** How many messages may be delivered and not committed. */
  maxUncommitted: number;
}

/** Creates the durable. */
export async function createDurable(options: DurableOptions): Promise<ConsumerInfo> {
  const { link, stream, group, partition, epoch, after } = options;
  const name = durableName(group, partition, epoch);
  // A work queue hands out what is left of it: it permits no other start, and removes
  // messages one by one.
  const flow =
    options.retention === RetentionPolicy.Workqueue
      ? { ack_policy: AckPolicy.Explicit, deliver_policy: DeliverPolicy.All }
      : {
          ack_policy: AckPolicy.All,
          deliver_policy: DeliverPolicy.StartSequence,
          opt_start_seq: after + 1,
        };
  try {
    return await link.manager.consumers.add(stream, {
      durable_name: name,
      ack_wait: nanos(ACK_WAIT_MS),
      filter_subject: partitionSubject(options.subject, partition),
      max_ack_pending: options.maxUncommitted,
      ...flow,
    });
  } catch (error) {
    throw fromNats(error, `create consumer ${name} on stream ${stream}`);
  }
}

/** Removes the durable, if it is there. */
export async function removeDurable(link: Link, stream: string, name: string): Promise<void> {
  try {
    await link.manager.consumers.delete(stream, name);
  } catch (error) {
    if (isConsumerNotFound(error) || isStreamNotFound(error)) return;
    throw fromNats(error, `delete consumer ${name} on stream ${stream}`);
  }
}
