/**
 * Chaos from the command line: SEED, SEEDS=1..20, DURATION in seconds, SERVERS=1|3, NATS_SERVER, MUTANT;
 * EVIDENCE names a file for all that is known of the last run. Exits 1 when anything was found.
 */
import { randomInt } from "node:crypto";
import { writeFileSync } from "node:fs";
import { fileURLToPath } from "node:url";
import { carryOut } from "./driver.ts";
import type { Evidence, Finding } from "./evidence.ts";
import { judge } from "./judge.ts";
import { type Mutant, MUTANTS } from "./mutants.ts";
import { plan } from "./plan.ts";
import { story } from "./story.ts";

/** How many findings are told in full. */
const TOLD = 3;

const { SEED, SEEDS, DURATION, SERVERS, NATS_SERVER, MUTANT, EVIDENCE } = process.env;
const program = fileURLToPath(new URL("./member.js", import.meta.url));
const mutant = MUTANTS.find((each): each is Mutant => each === MUTANT);
if (MUTANT && mutant === undefined) {
  throw new Error(`there is no mutant ${MUTANT}, but ${MUTANTS.join(", ")}`);
}
const failed: number[] = [];
const seeds = seedsOf(SEEDS, SEED);

for (const seed of seeds) {
  const servers = SERVERS === "3" ? 3 : 1;
  const durationMs = Number(DURATION || 30) * 1_000;
  const how = `SEED=${seed} DURATION=${durationMs / 1_000} SERVERS=${servers}`;
  console.log(`make chaos ${how}${mutant === undefined ? "" : ` MUTANT=${mutant}`}`);
  const evidence = await carryOut(plan({ seed, durationMs, servers }), {
    program,
    ...(NATS_SERVER ? { binary: NATS_SERVER } : {}),
    ...(mutant === undefined ? {} : { mutant }),
  });
  if (EVIDENCE) writeFileSync(EVIDENCE, JSON.stringify(evidence));
  const findings = judge(evidence);
  console.log(`  ${summary(evidence, findings)}`);
  for (const finding of findings.slice(0, TOLD)) console.log(story(evidence, finding));
  for (const { rule, text } of findings.slice(TOLD, 20)) console.log(`${rule}: ${text}`);
  if (findings.length > 0) failed.push(seed);
}
if (seeds.length > 1) {
  console.log(`${seeds.length} seeds, ${failed.length} failed: ${failed.join(" ") || "none"}`);
}
if (failed.length > 0) process.exitCode = 1;

function seedsOf(range: string | undefined, one: string | undefined): number[] {
  const [, from, to] = /^(\d+)\.\.(\d+)$/.exec(range ?? "") ?? [];
  if (from === undefined) return [one ? Number(one) : randomInt(1_000_000)];
  return Array.from({ length: Number(to) - Number(from) + 1 }, (_, i) => Number(from) + i);
}

function summary(
  { plan: run, stored, records, writes }: Evidence,
  findings: readonly Finding[],
): string {
  const claims = writes.filter((write) => write.kind === "lease" && write.owner !== undefined);
  const handled = new Set(records.map(({ sequence }) => sequence)).size;
  const verdict = findings.length === 0 ? "PASSED" : `${findings.length} FINDINGS`;
  return `${verdict}: ${run.actions.length} actions, ${stored.length} messages, ${handled} handled, ${records.length - handled} twice, ${claims.length} claims`;
}
