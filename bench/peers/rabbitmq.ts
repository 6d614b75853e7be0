/** A quorum queue of RabbitMQ with amqplib, for the comparison with what a user would take instead. Installed by `make bench-peers` only. */
import type { Side } from "../throughput/side.ts";

/** What is used of it. */
interface Channel {
  assertQueue(name: string, options: object): Promise<unknown>;
  prefetch(count: number): Promise<unknown>;
  consume(name: string, handler: (message: object | null) => void): Promise<unknown>;
  ack(message: object): void;
  sendToQueue(
    name: string,
    data: Uint8Array,
    options: object,
    confirmed: (error: Error | null) => void,
  ): boolean;
  waitForConfirms(): Promise<void>;
}
interface Connection {
  createConfirmChannel(): Promise<Channel>;
  close(): Promise<void>;
}
interface Amqp {
  connect(url: string): Promise<Connection>;
}

/** How many messages are sent and not confirmed, or delivered and not acked; more was not faster. */
const WINDOW = 1_000;
const PERSISTENT = { persistent: true };

const NAME = "amqplib";

async function open(
  url: string,
  queue: string,
): Promise<{ connection: Connection; channel: Channel }> {
  const { default: amqp } = (await import(NAME)) as { default: Amqp };
  const connection = await amqp.connect(url);
  const channel = await connection.createConfirmChannel();
  const quorum = { durable: true, arguments: { "x-queue-type": "quorum" } };
  await channel.assertQueue(queue, quorum);
  return { connection, channel };
}

/** Sends until it is told to stop; so many at most are not confirmed. */
async function send(
  channel: Channel,
  queue: string,
  data: Uint8Array,
  stopped: () => boolean,
  onConfirmed: () => void,
): Promise<void> {
  let open = 0;
  let wake = (): void => {};
  const confirmed = (error: Error | null): void => {
    if (error !== null) throw error;
    onConfirmed();
    if (--open <= WINDOW / 2) wake();
  };
  while (!stopped()) {
    for (; open < WINDOW && !stopped(); open++)
      channel.sendToQueue(queue, data, PERSISTENT, confirmed);
    await new Promise<void>((resolve) => (wake = resolve));
  }
  await channel.waitForConfirms();
}

/** Persistent messages with confirms. */
export const publish: Side = async ({ url, run, payload }, meter) => {
  const { connection, channel } = await open(url, run);
  let stopped = false;
  let running: Promise<void> | undefined;
  const count = (): void => void meter.count++;
  return {
    start: () => {
      running = send(channel, run, Buffer.alloc(payload), () => stopped, count);
    },
    stop: async () => {
      stopped = true;
      await running;
      await connection.close();
    },
  };
};

/** A consumer that acknowledges each, on a queue that is full before it starts. */
export const consume: Side = async ({ url, run, payload, total = 0 }, meter) => {
  const { connection, channel } = await open(url, run);
  let stored = 0;
  const isFull = (): boolean => stored >= total;
  await send(channel, run, Buffer.alloc(payload), isFull, () => void stored++);
  await channel.prefetch(WINDOW);
  return {
    start: () => {
      void channel.consume(run, (message) => {
        if (message === null) return;
        meter.count++;
        channel.ack(message);
      });
    },
    stop: () => connection.close(),
  };
};
