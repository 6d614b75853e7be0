/** How rivals are tuned: each with several settings, of which the best for these workloads is taken. */
import { docktor } from "../../src/scaler/simulator/policies/docktor.ts";
import { flink } from "../../src/scaler/simulator/policies/flink.ts";
import { hpaCpu } from "../../src/scaler/simulator/policies/hpa.ts";
import { keda } from "../../src/scaler/simulator/policies/keda.ts";
import type { MakePolicy } from "../../src/scaler/simulator/policies/policy.ts";
import type { Brief } from "./measure.ts";

/** What the time over the SLO may be, in per cent, by start-up time in seconds. */
export const GATE: Readonly<Record<number, number>> = { 15: 1, 60: 3 };

/** A kind of policy with its settings. */
export interface Family {
  readonly name: string;
  /** What was varied, for people. */
  readonly tried: string;
  readonly settings: readonly MakePolicy[];
}

/** How an HPA goes down: its stabilization window in seconds, and the most that it takes away in a minute. */
const BEHAVIORS = [180, 300, 600].flatMap((windowS) =>
  [100, 10].map((scaleDownPct) => ({ windowS, scaleDownPct })),
);

/** docktor is shown with other settings, too, and judged by its default. */
export const FAMILIES: readonly Family[] = [
  {
    name: "docktor",
    tried: "target utilization 0.5 to 0.9",
    settings: [
      ...[0.5, 0.6, 0.7].map((utilization) => docktor({ utilization })),
      docktor(),
      docktor({ utilization: 0.9 }),
    ],
  },
  {
    name: "KEDA",
    tried:
      "lag 2 to 400; from 4 to 10 with a stabilization window of 180 (docktor's), 300 (the default) and 600 s, and with at most 10 % down in a minute or without a limit",
    settings: [
      ...[2, 3, 25, 50, 100, 200, 400].map((lag) => keda(lag)),
      ...[4, 5, 6, 10].flatMap((lag) => BEHAVIORS.map((behavior) => keda(lag, behavior))),
    ],
  },
  {
    name: "HPA on CPU",
    tried: "25 to 70 %; 35 and 60 % with a stabilization window of 180, 300 and 600 s",
    settings: [
      ...[25, 30, 35, 40, 50, 60, 70].map((target) => hpaCpu(target)),
      ...[35, 60].flatMap((target) => [180, 600].map((windowS) => hpaCpu(target, { windowS }))),
    ],
  },
  {
    name: "Flink/DS2",
    tried: "target utilization 0.3 to 0.7, with a band of 0.1 and of 0.3",
    settings: [
      ...[0.3, 0.4, 0.45, 0.5, 0.6, 0.7].map((utilization) => flink(utilization, 0.1)),
      ...[0.4, 0.5, 0.6, 0.7].map((utilization) => flink(utilization, 0.3)),
    ],
  },
];

/** The outcomes of one setting, one for each start-up time. */
export type Setting = readonly Brief[];

/**
 * The best: of those that keep within the gate the one with the fewest replicas, and if none does, the one that is over
 * the SLO for the least time.
 */
export function best(settings: readonly Setting[]): Setting {
  const over = (setting: Setting): number => sum(setting.map(({ overSlo }) => overSlo));
  const cost = (setting: Setting): number => sum(setting.map(({ replicas }) => replicas));
  const within = settings.filter((setting) =>
    setting.every(({ startUpS, overSlo }) => overSlo <= (GATE[startUpS] ?? 0)),
  );
  const [first] =
    within.length > 0
      ? within.toSorted((a, b) => cost(a) - cost(b))
      : settings.toSorted((a, b) => over(a) - over(b));
  return first ?? [];
}

function sum(values: readonly number[]): number {
  return values.reduce((total, value) => total + value, 0);
}
