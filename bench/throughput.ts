/**
 * Docktor side by side with what people write without it, and with what the client and the server can
 * do: every figure is a ratio within one round. Prints a table for each comparison.
 *
 * COMPARE names comparisons, separated by semicolons, by default the first two; all of them with `all`.
 * ROUNDS and SECONDS say how long. NATS_SERVER is the server's program. RESULTS names a file for all that is
 * found, as JSON.
 */
import { writeFileSync } from "node:fs";
import { machine } from "./machine.ts";
import { compare, type Effort } from "./throughput/compare.ts";
import { COMPARISONS } from "./throughput/comparisons.ts";
import type { Found, Results } from "./throughput/results.ts";
import { Stage } from "./throughput/stage.ts";
import { table } from "./throughput/table.ts";

const { COMPARE = "publish;consume", ROUNDS = "5", SECONDS = "2" } = process.env;
const { NATS_SERVER, RESULTS } = process.env;
const effort: Effort = {
  rounds: Number(ROUNDS),
  stretch: { warmUpMs: 700, ms: Number(SECONDS) * 1_000 },
};
const names = COMPARE === "all" ? Object.keys(COMPARISONS) : COMPARE.split(";");

await using stage = await Stage.open(NATS_SERVER || undefined);
const { version } = stage.server;
console.log(`nats-server ${version}, ${effort.rounds} rounds`);
const found: Found[] = [];
for (const name of names) {
  const comparison = COMPARISONS[name];
  if (comparison === undefined) throw new Error(`there is no comparison ${name}`);
  const outcomes = await compare(stage, comparison, effort);
  found.push({ name, outcomes });
  console.log(`\n${table(name, outcomes)}`);
}
if (RESULTS) {
  const results: Results = {
    server: version,
    machine: machine(),
    rounds: effort.rounds,
    found,
  };
  writeFileSync(RESULTS, `${JSON.stringify(results, undefined, 2)}\n`);
}
