/** Any pull consumer of a stream, as the scaler sees it: from what its leader tells of it. */
import type { ConsumerInfo, JetStreamManager } from "@nats-io/jetstream";
import { type Clock, systemClock } from "../../clock.ts";
import { oldestMs } from "./age.ts";
import type { QueueSample } from "./queue.ts";

/** Reads it. */
export async function sampleConsumer(
  manager: JetStreamManager,
  info: ConsumerInfo,
  clock: Clock = systemClock,
): Promise<QueueSample> {
  const { num_pending: lag, num_ack_pending: underWay, num_redelivered, created } = info;
  const backlog = lag + underWay;
  const { filter_subject, filter_subjects } = info.config;
  const isFiltered = filter_subject !== undefined || filter_subjects !== undefined;
  // What is delivered again was counted when it was delivered first. Of a consumer of the whole stream that can be told
  // from how far it has come in it; of another only what is being delivered again at the moment.
  const delivered = isFiltered
    ? Math.max(0, info.delivered.consumer_seq - num_redelivered)
    : info.delivered.stream_seq;
  const subject = filter_subject ?? ">";
  const handledUpTo = info.ack_floor.stream_seq;
  return {
    at: clock.now(),
    backlog,
    lag,
    oldestMs:
      backlog === 0 ? undefined : await oldestMs(manager, info.stream_name, subject, handledUpTo),
    parts: [{ counter: String(created), handled: Math.max(0, delivered - underWay), backlog }],
    partitioned: false,
    members: undefined,
    rebalancing: false,
  };
}
