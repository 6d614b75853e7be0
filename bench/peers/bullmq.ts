/** BullMQ on Redis, for the comparison with what a user would take instead. Installed by `make bench-peers` only. */
import type { Side } from "../throughput/side.ts";

/** What is used of it. */
interface Queue {
  add(name: string, data: unknown, options: object): Promise<unknown>;
  addBulk(jobs: readonly { name: string; data: unknown; opts: object }[]): Promise<unknown>;
  close(): Promise<void>;
}
interface Worker {
  run(): Promise<void>;
  close(force: boolean): Promise<void>;
}
interface BullMq {
  readonly Queue: new (name: string, options: object) => Queue;
  readonly Worker: new (name: string, handler: () => Promise<void>, options: object) => Worker;
}

/** Its documentation's way to add many: in bulk. Jobs that are done are removed, as a queue does. */
const BULK = 1_000;
const OPTIONS = { removeOnComplete: true, removeOnFail: true };
/** How many jobs a worker has under way; more was not faster. */
const CONCURRENCY = 200;

const NAME = "bullmq";
const load = async (): Promise<BullMq> => (await import(NAME)) as BullMq;

const connectionOf = (url: string): object => {
  const { hostname, port } = new URL(url);
  return { connection: { host: hostname, port: Number(port) } };
};

async function addBulk(queue: Queue, data: string): Promise<void> {
  await queue.addBulk(
    Array.from({ length: BULK }, () => ({ name: "message", data, opts: OPTIONS })),
  );
}

/** Bulk after bulk, each answered before the next. */
export const publish: Side = async ({ url, run, payload }, meter) => {
  const { Queue } = await load();
  const queue = new Queue(run, connectionOf(url));
  const data = "x".repeat(payload);
  let stopped = false;
  let running: Promise<void> | undefined;
  const loop = async (): Promise<void> => {
    while (!stopped) {
      await addBulk(queue, data);
      meter.count += BULK;
    }
  };
  return {
    start: () => {
      running = loop();
    },
    stop: async () => {
      stopped = true;
      await running;
      await queue.close();
    },
  };
};

/** A worker on a queue that is full of jobs before it starts. */
export const consume: Side = async ({ url, run, payload, total = 0 }, meter) => {
  const { Queue, Worker } = await load();
  const queue = new Queue(run, connectionOf(url));
  const data = "x".repeat(payload);
  for (let added = 0; added < total; added += BULK) await addBulk(queue, data);
  const handler = (): Promise<void> => {
    meter.count++;
    return Promise.resolve();
  };
  const options = { ...connectionOf(url), autorun: false, concurrency: CONCURRENCY };
  const worker = new Worker(run, handler, options);
  return {
    start: () => void worker.run(),
    stop: async () => {
      await worker.close(true);
      await queue.close();
    },
  };
};
