/**
 * Scaling policies side by side in the simulator, where each meets the same messages. First every rival is tuned on a
 * grid, then all are compared, on other seeds. Writes bench/results/scaling.json, from which bench/scaling-report.ts
 * makes the page. Fails if a rival does better with other settings than those it has in src/scaler/simulator/policies.
 *
 * SEEDS, TUNING_SEEDS and VARIANT_SEEDS say on how many seeds.
 */
import { mkdirSync, writeFileSync } from "node:fs";
import { POLICIES, type PolicyName } from "../src/scaler/simulator/policies/policies.ts";
import type { MakePolicy } from "../src/scaler/simulator/policies/policy.ts";
import { best, FAMILIES, type Family, type Setting } from "./scaling/grid.ts";
import { brief, type Conditions, EVEN, measure, type Outcome } from "./scaling/measure.ts";
import type { Grid, Results } from "./scaling/results.ts";
import { TRIED, VARIANTS } from "./scaling/variants.ts";

const { SEEDS = "24", TUNING_SEEDS = "8", VARIANT_SEEDS = "8" } = process.env;
const START_UPS = [15, 60];

/** Those that docktor's policy was tuned on, too. */
const tuningSeeds = seedsFrom(1, TUNING_SEEDS);
const seeds = seedsFrom(101, SEEDS);
const variantSeeds = seedsFrom(101, VARIANT_SEEDS);

const grids = FAMILIES.map(gridOf);
const names = Object.keys(POLICIES) as PolicyName[];
const policies = byName(names, (name) => both(POLICIES[name], seeds));
console.log("with even workloads only, tuned on these:");
const even = { docktor: (policies["docktor"] ?? []).map(inEven), ...evenRivals() };
const variants = byName(Object.keys(VARIANTS), (variant) => {
  console.log(`with ${variant}:`);
  const changed = VARIANTS[variant] ?? {};
  return byName(TRIED, (name) => both(POLICIES[name], variantSeeds, { changed }).map(inAll));
});
const results: Results = {
  seeds: seeds.length,
  tuningSeeds: tuningSeeds.length,
  variantSeeds: variantSeeds.length,
  policies,
  even,
  variants,
  grids,
};
mkdirSync("bench/results", { recursive: true });
writeFileSync("bench/results/scaling.json", `${JSON.stringify(results, rounded)}\n`);

// The policies' names stand for rivals at their best.
const compared = new Set(Object.values(policies).map(([first]) => first?.policy));
for (const { family, settings } of grids) {
  const found = best(settings)[0]?.policy;
  if (family === "docktor" || compared.has(found)) continue;
  console.error(`${family} is best as ${found}: set it so in src/scaler/simulator/policies`);
  process.exitCode = 1;
}

function gridOf({ name: family, settings }: Family): Grid {
  const outcomes = settings.map((make) => both(make, tuningSeeds));
  return {
    family,
    settings: outcomes.map((setting) => setting.map(inAll)),
    even: outcomes.map((setting) => setting.map(inEven)),
  };
}

/** Each rival as is best for the even workloads, on these. */
function evenRivals(): Record<string, Setting> {
  const rivals = grids.flatMap((grid, i): [string, Setting][] => {
    const make = FAMILIES[i]?.settings[grid.even.indexOf(best(grid.even))];
    if (grid.family === "docktor" || make === undefined) return [];
    return [[grid.family, both(make, seeds, { workloads: EVEN }).map(inEven)]];
  });
  return Object.fromEntries(rivals);
}

function both(make: MakePolicy, on: readonly number[], conditions?: Conditions): Outcome[] {
  const outcomes = START_UPS.map((startUpS) => measure(make, startUpS, on, conditions));
  for (const { policy, startUpS, all } of outcomes) {
    const late = all.overSlo.mean.toFixed(2).padStart(6);
    const replicas = all.replicas.mean.toFixed(1).padStart(5);
    console.log(`${late} % too late, ${replicas} replicas, start-up ${startUpS} s: ${policy}`);
  }
  return outcomes;
}

function inAll(outcome: Outcome): Setting[number] {
  return brief(outcome);
}

function inEven(outcome: Outcome): Setting[number] {
  return brief(outcome, EVEN);
}

function seedsFrom(first: number, count: string): number[] {
  return Array.from({ length: Number(count) }, (_, i) => first + i);
}

function byName<K extends string, T>(keys: readonly K[], of: (key: K) => T): Record<string, T> {
  return Object.fromEntries(keys.map((key) => [key, of(key)]));
}

/** Figures with more than four digits are more than they are worth. */
function rounded(_key: string, value: unknown): unknown {
  return typeof value === "number" ? Number(value.toPrecision(4)) : value;
}
