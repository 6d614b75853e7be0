/**
 * A member for benchmarks, in a process of its own: joins and leaves when its parent says so, and
 * reports what becomes of its partitions and which messages it handled.
 */
import { Consumer } from "../src/index.ts";
import { now } from "./clock.ts";

/** What the parent says. */
export type Command = "join" | "leave" | "health";

/** What a member's process holds. */
export interface Health {
  /** After a collection of garbage, in bytes. */
  heapUsed: number;
  /** Sockets, timers and all else that keeps the event loop going. */
  handles: number;
}

/** The messages of one partition that a member handled in one epoch. */
export interface Handled {
  first: number;
  last: number;
  count: number;
  /** How many came again or out of order. */
  repeated: number;
}

/** What a member reports. `at`: on the machine's monotonic clock, in milliseconds. */
export type Report =
  /** It has begun to release, at that time, and has released by now. */
  | { type: "released"; partition: number; epoch: number; at: number; handled: Handled | undefined }
  /** It handles the first message of an epoch. */
  | { type: "first"; partition: number; epoch: number; at: number }
  | { type: "lost"; partition: number; epoch: number; at: number; reason: string }
  /** The latest start of a handler in an epoch, told a while after it was lost; 0 if there was none. */
  | { type: "last"; partition: number; epoch: number; at: number }
  | { type: "rebalance"; partitions: readonly number[] }
  | { type: "left" }
  | ({ type: "health" } & Health);

const [servers = "", memberId = "", partitions = "32", ttlMs = "5000"] = process.argv.slice(2);
let consumer: Consumer | undefined;

/**
 * When the clock was last looked at. The library does so right before it calls a handler: a process
 * may be stopped between the two, and then what counts is the look.
 */
let lookedAt = 0;
const look = performance.now.bind(performance);
performance.now = () => {
  lookedAt = now();
  return look();
};

function report(message: Report): void {
  // The parent may have gone by now: then nobody wants to know.
  process.send?.(message, () => undefined);
}

async function join(): Promise<void> {
  const handled = new Map<string, Handled>();
  const lastStart = new Map<string, number>();
  consumer = new Consumer({
    servers,
    stream: "EVENTS",
    subject: "events",
    partitions: Number(partitions),
    group: "BENCH",
    memberId,
    session: { ttlMs: Number(ttlMs) },
    ensureStream: true,
  });
  consumer.on("error", ({ code, message }) => console.error(`${memberId}: ${code}: ${message}`));
  consumer.on("partition:released", ({ partition, epoch, durationMs }) => {
    const at = now() - durationMs;
    const key = `${partition}/${epoch}`;
    report({ type: "released", partition, epoch, at, handled: handled.get(key) });
  });
  consumer.on("partition:lost", ({ partition, epoch, reason }) => {
    report({ type: "lost", partition, epoch, at: now(), reason });
    // Whatever still starts would do so by then.
    setTimeout(() => {
      report({ type: "last", partition, epoch, at: lastStart.get(`${partition}/${epoch}`) ?? 0 });
    }, 200);
  });
  consumer.on("rebalance", (rebalance) => {
    report({ type: "rebalance", partitions: rebalance.partitions });
  });
  await consumer.run({
    eachMessage: ({ partition, sequence }, { epoch }) => {
      const key = `${partition}/${epoch}`;
      lastStart.set(key, lookedAt);
      const known = handled.get(key);
      if (known === undefined) {
        handled.set(key, { first: sequence, last: sequence, count: 1, repeated: 0 });
        report({ type: "first", partition, epoch, at: now() });
      } else if (sequence <= known.last) known.repeated++;
      else {
        known.last = sequence;
        known.count++;
      }
    },
  });
}

async function leave(): Promise<void> {
  await consumer?.drain();
  report({ type: "left" });
}

function health(): Health {
  globalThis.gc?.();
  const { heapUsed } = process.memoryUsage();
  return { heapUsed, handles: process.getActiveResourcesInfo().length };
}

process.on("message", (command: Command) => {
  if (command === "health") report({ type: "health", ...health() });
  else void (command === "join" ? join() : leave());
});
process.once("disconnect", () => {
  void consumer?.close().then(() => process.exit());
});
