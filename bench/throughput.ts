/**
 * Docktor side by side with what people write without it, and with what the client and the server can
 * do: every figure is a ratio within one round. Prints a table for each comparison.
 *
 * COMPARE names comparisons, by default the first two; all of them with `all`. ROUNDS and SECONDS say
 * how long. NATS_SERVER is the server's program.
 */
import { compare, type Comparison, type Effort } from "./throughput/compare.ts";
import { table } from "./throughput/table.ts";
import { type Load, Stage } from "./throughput/stage.ts";

const LOAD: Load = { partitions: 16, payload: 128, keys: true, storage: "file" };
const PUBLISH = ["idiomatic", "tuned", "unacknowledged", "docktor"];
const CONSUME = [
  "idiomatic",
  "tuned",
  "unacknowledged",
  "eachMessage",
  "eachMessageSync",
  "eachBatch",
];

const publish = (load: Partial<Load> = {}): Comparison => ({
  kind: "publish",
  sides: PUBLISH,
  load: { ...LOAD, ...load },
});
const consume = (load: Partial<Load> = {}): Comparison => ({
  kind: "consume",
  sides: CONSUME,
  load: { ...LOAD, ...load },
});

const COMPARISONS: Readonly<Record<string, Comparison>> = {
  publish: publish(),
  consume: consume(),
  "publish-no-keys": publish({ keys: false }),
  "consume-no-keys": consume({ keys: false }),
};

const { COMPARE = "publish,consume", ROUNDS = "5", SECONDS = "2", NATS_SERVER } = process.env;
const effort: Effort = {
  rounds: Number(ROUNDS),
  stretch: { warmUpMs: 700, ms: Number(SECONDS) * 1_000 },
};
const names = COMPARE === "all" ? Object.keys(COMPARISONS) : COMPARE.split(",");

await using stage = await Stage.open(NATS_SERVER || undefined);
console.log(`nats-server ${stage.server.version}, ${effort.rounds} rounds`);
for (const name of names) {
  const comparison = COMPARISONS[name];
  if (comparison === undefined) throw new Error(`there is no comparison ${name}`);
  console.log(`\n${table(name, await compare(stage, comparison, effort))}`);
}
