/**
 * Scaling policies side by side in the simulator, where each meets the same messages. First every rival is tuned on a
 * grid, then all are compared. Writes bench/results/scaling.json, from which bench/scaling-report.ts makes the page.
 *
 * SEEDS and GRID_SEEDS say on how many seeds; they are none of those that docktor's policy was tuned on.
 */
import { mkdirSync, writeFileSync } from "node:fs";
import { POLICIES, type PolicyName } from "../src/scaler/simulator/policies/policies.ts";
import type { MakePolicy } from "../src/scaler/simulator/policies/policy.ts";
import type { Service } from "../src/scaler/simulator/service.ts";
import { best, FAMILIES, type Setting } from "./scaling/grid.ts";
import { measure } from "./scaling/measure.ts";
import type { Results } from "./scaling/results.ts";
import { TRIED, VARIANTS } from "./scaling/variants.ts";

const { SEEDS = "24", GRID_SEEDS = "8" } = process.env;
const FIRST_SEED = 101;
const START_UPS = [15, 60];

const seeds = Array.from({ length: Number(SEEDS) }, (_, i) => FIRST_SEED + i);
const gridSeeds = seeds.slice(0, Number(GRID_SEEDS));

const grids = FAMILIES.map(({ name: family, settings }) => ({
  family,
  settings: settings.map((make) => withoutWorkloads(both(make, gridSeeds))),
}));
const policies = byName(Object.keys(POLICIES), (name) => both(POLICIES[name as PolicyName], seeds));
const variants = byName(Object.keys(VARIANTS), (variant) => {
  console.log(`with ${variant}:`);
  return byName(TRIED, (name) =>
    withoutWorkloads(both(POLICIES[name as PolicyName], gridSeeds, VARIANTS[variant])),
  );
});
const results: Results = {
  seeds: seeds.length,
  gridSeeds: gridSeeds.length,
  policies,
  variants,
  grids,
};
mkdirSync("bench/results", { recursive: true });
writeFileSync("bench/results/scaling.json", `${JSON.stringify(results, rounded, 1)}\n`);

// The policies' names stand for rivals at their best.
const shown = new Set(Object.values(policies).map(([first]) => first?.policy));
for (const { family, settings } of grids) {
  const found = best(settings)[0]?.policy;
  if (family === "docktor" || shown.has(found)) continue;
  console.error(`${family} is best as ${found}: set it so in src/scaler/simulator/policies`);
  process.exitCode = 1;
}

function both(make: MakePolicy, on: readonly number[], changed?: Partial<Service>): Setting {
  const outcomes = START_UPS.map((startUpS) => measure(make, startUpS, on, changed));
  for (const { policy, startUpS, all } of outcomes) {
    const late = all.overSlo.mean.toFixed(2).padStart(6);
    const replicas = all.replicas.mean.toFixed(1).padStart(5);
    console.log(`${late} % too late, ${replicas} replicas, start-up ${startUpS} s: ${policy}`);
  }
  return outcomes;
}

function withoutWorkloads(setting: Setting): Setting {
  return setting.map((outcome) => ({ ...outcome, workloads: {} }));
}

function byName<T>(names: readonly string[], of: (name: string) => T): Record<string, T> {
  return Object.fromEntries(names.map((name) => [name, of(name)]));
}

/** Figures with four digits are more than they are worth. */
function rounded(_key: string, value: unknown): unknown {
  return typeof value === "number" ? Number(value.toPrecision(4)) : value;
}
