/**
 * Fails when docktor has come to need more processor time than was recorded: as a multiple of what the client
 * needs without acks for as many messages, in the same round. That hardly depends on the machine; what it still
 * does is the spread over the rounds, which is recorded, too. RECORD=1 records anew; NATS_SERVER is the server's
 * program.
 */
import { readFileSync, writeFileSync } from "node:fs";
import { compare, type Comparison, type Spread } from "./throughput/compare.ts";
import { Stage } from "./throughput/stage.ts";

const FILE = "bench/results/guard.json";
const LOAD = { partitions: 16, payload: 128, keys: true, storage: "file" } as const;
const EFFORT = { rounds: 5, stretch: { warmUpMs: 400, ms: 700 } };
/** How much more is no regression, beside the spread: another machine, another server. */
const MARGIN = 1.25;

const comparison = (kind: Comparison["kind"], ...sides: readonly string[]): Comparison => ({
  kind,
  contenders: sides.map((side) => ({ name: side, side, load: LOAD, members: 1 })),
});
const GUARDED = [
  comparison("publish", "unacknowledged", "publish"),
  comparison("consume", "unacknowledged", "eachMessage", "eachBatch"),
];

const { NATS_SERVER, RECORD } = process.env;
await using stage = await Stage.open(NATS_SERVER || undefined);
const measured: Record<string, Spread> = {};
for (const guarded of GUARDED) {
  const [, ...outcomes] = await compare(stage, guarded, EFFORT);
  for (const { name, cpuRatio } of outcomes) measured[`${guarded.kind} ${name}`] = cpuRatio;
}
if (RECORD) writeFileSync(FILE, `${JSON.stringify(measured, undefined, 2)}\n`);
const recorded = JSON.parse(readFileSync(FILE, "utf8")) as Record<string, Spread>;
for (const [name, { least, median, most }] of Object.entries(measured)) {
  const before = recorded[name];
  const limit = (before?.most ?? 0) * MARGIN;
  const passed = least <= limit;
  console.log(
    `${passed ? "passed" : "FAILED"}  ${name}: ${median.toFixed(2)} times the processor time without acks (${least.toFixed(2)} to ${most.toFixed(2)}), recorded ${before?.median.toFixed(2) ?? "none"}; the least may be ${limit.toFixed(2)}`,
  );
  if (!passed) process.exitCode = 1;
}
