/** From the moment a message is due to its handler: as people write it, and with docktor. */
import { setTimeout as sleep } from "node:timers/promises";
import { createHistogram, type RecordableHistogram } from "node:perf_hooks";
import { AckPolicy, jetstream, jetstreamManager } from "@nats-io/jetstream";
import { connect } from "@nats-io/transport-node";
import { Consumer, Producer } from "../../src/index.ts";
import { now } from "../clock.ts";
import { KEYS, type Setting } from "./side.ts";

/** Publishes one message whose data say when it was due. */
export type Send = (n: number, data: Uint8Array) => void;

/** What takes the messages; ends with its process. */
export type LatencySide = (setting: Setting, onData: (data: Uint8Array) => void) => Promise<void>;

/** A pull consumer with a callback that acknowledges each, asked for as much as makes it fast. */
export const raw: LatencySide = async ({ url, stream, run }, onData) => {
  const connection = await connect({ servers: url });
  const manager = await jetstreamManager(connection);
  await manager.consumers.add(stream, { durable_name: run, ack_policy: AckPolicy.Explicit });
  const durable = await jetstream(connection).consumers.get(stream, run);
  await durable.consume({
    max_messages: 2_000,
    callback: (message) => {
      onData(message.data);
      message.ack();
    },
  });
};

/** A member that is alone in its group. */
export const docktor: LatencySide = async ({ url, stream, subject, partitions, run }, onData) => {
  const consumer = new Consumer({ servers: url, stream, subject, partitions, group: run });
  consumer.on("error", (error) => console.error(`${error.code}: ${error.message}`));
  await consumer.run({ eachMessage: async ({ data }) => onData(data) });
  while (consumer.assignment.length < partitions) await sleep(20);
};

/**
 * Docktor's producer, for both: `js.publish` cannot keep the pace beside a server and a consumer on two cores,
 * and what is compared are the consumers.
 */
export async function producer({ url, stream, subject, partitions }: Setting): Promise<Send> {
  const connected = await Producer.connect({ servers: url, stream, subject, partitions });
  return (n, data) => void connected.publish(KEYS[n % KEYS.length] ?? "", data);
}

/**
 * Publishes at a steady pace. Each message is stamped with when it was due, and not with when it was
 * sent: a delay in sending is a delay of all that were due meanwhile.
 */
export async function publishPaced(
  send: Send,
  rate: number,
  payload: number,
  ms: number,
): Promise<void> {
  const startedAt = now();
  for (let sent = 0; ; await sleep(1)) {
    const due = Math.floor(((now() - startedAt) * rate) / 1_000);
    for (; sent < due; sent++) {
      const data = new Uint8Array(payload);
      new DataView(data.buffer).setFloat64(0, startedAt + (sent * 1_000) / rate);
      send(sent, data);
    }
    if (now() - startedAt > ms) return;
  }
}

/** Notes how late each message is, in microseconds. */
export function lateness(): { histogram: RecordableHistogram; onData: (data: Uint8Array) => void } {
  const histogram = createHistogram();
  const onData = (data: Uint8Array): void => {
    const due = new DataView(data.buffer, data.byteOffset).getFloat64(0);
    histogram.record(Math.max(1, Math.round((now() - due) * 1_000)));
  };
  return { histogram, onData };
}
