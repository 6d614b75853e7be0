/**
 * Shows that the judge can fail: members that break one rule each, on the same schedules that pass
 * without. Exits 1 when a broken rule goes unnoticed.
 */
import { fileURLToPath } from "node:url";
import { carryOut } from "./driver.ts";
import { judge } from "./judge.ts";
import { type Mutant, MUTANTS } from "./mutants.ts";
import { plan } from "./plan.ts";

/** What must be found of whom who breaks a rule; other findings follow from it. */
const TELLING: Readonly<Record<Mutant, readonly string[]>> = {
  "no-fencing": ["no commit by a fenced owner", "commits go forward"],
  "no-self-fencing": ["no start by a fenced owner"],
  "no-contiguity": ["commits cover what is handled"],
};
/**
 * Schedules to try, one after the other: not each gives a broken rule the occasion. Fencing has it where
 * a commit is held back on its way until another member owns the partition.
 */
const SEEDS: Readonly<Record<Mutant, readonly number[]>> = {
  "no-fencing": [201, 242, 214, 98, 193],
  "no-self-fencing": [8, 1, 3, 12],
  "no-contiguity": [8, 1, 3, 12],
};
const DURATION_MS = 10_000;

const { NATS_SERVER } = process.env;
const program = fileURLToPath(new URL("./member.js", import.meta.url));
let unnoticed = 0;

for (const mutant of MUTANTS) {
  const noticed = await firstNoticed(mutant);
  if (noticed === undefined) unnoticed++;
  console.log(`${mutant}: ${noticed ?? `NOT NOTICED with seeds ${SEEDS[mutant].join(", ")}`}`);
}
if (unnoticed > 0) process.exitCode = 1;

async function firstNoticed(mutant: Mutant): Promise<string | undefined> {
  for (const seed of SEEDS[mutant]) {
    const schedule = plan({ seed, durationMs: DURATION_MS, servers: 1 });
    const binary = NATS_SERVER ? { binary: NATS_SERVER } : {};
    const findings = judge(await carryOut(schedule, { program, mutant, ...binary }));
    const telling = findings.filter(({ rule }) => TELLING[mutant].includes(rule));
    const [first] = telling;
    if (first !== undefined) {
      return `noticed with seed ${seed}, ${telling.length} times, first: ${first.rule}: ${first.text}`;
    }
  }
  return undefined;
}
