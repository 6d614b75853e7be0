/** A member for benchmarks: reports to its parent when it releases and when it begins. */
import { Consumer } from "../src/index.ts";

/** What a member reports: `released` when it began to release. Times are Unix milliseconds, all on one machine. */
export type Report =
  | {
      readonly type: "released";
      readonly partition: number;
      readonly epoch: number;
      readonly at: number;
    }
  | {
      readonly type: "first";
      readonly partition: number;
      readonly epoch: number;
      readonly at: number;
    }
  | { readonly type: "rebalance"; readonly partitions: number };

const [servers = "", memberId = "", partitions = "32"] = process.argv.slice(2);

function now(): number {
  return performance.timeOrigin + performance.now();
}

function report(message: Report): void {
  process.send?.(message);
}

const consumer = new Consumer({
  servers,
  stream: "EVENTS",
  subject: "events",
  partitions: Number(partitions),
  group: "BENCH",
  memberId,
  ensureStream: true,
});
const begun = new Map<number, number>();
consumer.on("partition:released", ({ partition, epoch, durationMs }) => {
  report({ type: "released", partition, epoch, at: now() - durationMs });
});
consumer.on("rebalance", (rebalance) => {
  report({ type: "rebalance", partitions: rebalance.partitions.length });
});
// Sends what is still to be said, and ends the process as nothing else holds it.
process.once(
  "SIGTERM",
  () => void consumer.drain().then(() => process.connected && process.disconnect()),
);
process.once("disconnect", () => void consumer.close());
await consumer.run({
  eachMessage: ({ partition }, { epoch }) => {
    if (begun.get(partition) === epoch) return;
    begun.set(partition, epoch);
    report({ type: "first", partition, epoch, at: now() });
  },
});
