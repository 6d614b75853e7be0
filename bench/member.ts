/**
 * A member for benchmarks, in a process of its own: joins and leaves when its parent says so,
 * and reports when it releases a partition and when it begins with one.
 */
import { Consumer } from "../src/index.ts";

/** What the parent says. */
export type Command = "join" | "leave";

/** What a member reports: `released` when it began to release. Unix milliseconds, one machine. */
export type Report =
  | { type: "released"; partition: number; epoch: number; at: number }
  | { type: "first"; partition: number; epoch: number; at: number }
  | { type: "rebalance"; partitions: number };

const [servers = "", memberId = "", partitions = "32"] = process.argv.slice(2);
let consumer: Consumer | undefined;

function now(): number {
  return performance.timeOrigin + performance.now();
}

function report(message: Report): void {
  // The parent may have gone by now: then nobody wants to know.
  process.send?.(message, () => undefined);
}

async function join(): Promise<void> {
  const begun = new Map<number, number>();
  consumer = new Consumer({
    servers,
    stream: "EVENTS",
    subject: "events",
    partitions: Number(partitions),
    group: "BENCH",
    memberId,
    ensureStream: true,
  });
  consumer.on("partition:released", ({ partition, epoch, durationMs }) => {
    report({ type: "released", partition, epoch, at: now() - durationMs });
  });
  consumer.on("rebalance", (rebalance) => {
    report({ type: "rebalance", partitions: rebalance.partitions.length });
  });
  await consumer.run({
    eachMessage: ({ partition }, { epoch }) => {
      if (begun.get(partition) === epoch) return;
      begun.set(partition, epoch);
      report({ type: "first", partition, epoch, at: now() });
    },
  });
}

process.on("message", (command: Command) => {
  void (command === "join" ? join() : consumer?.drain());
});
process.once("disconnect", () => {
  void consumer?.close().then(() => process.exit());
});
