/** How rivals are tuned: each with several settings, of which the best for these workloads is taken. */
import { docktor } from "../../src/scaler/simulator/policies/docktor.ts";
import { flink } from "../../src/scaler/simulator/policies/flink.ts";
import { hpaCpu } from "../../src/scaler/simulator/policies/hpa.ts";
import { keda } from "../../src/scaler/simulator/policies/keda.ts";
import type { MakePolicy } from "../../src/scaler/simulator/policies/policy.ts";
import type { Outcome } from "./measure.ts";

/** What the time over the SLO may be, in per cent, by start-up time in seconds. */
export const GATE: Readonly<Record<number, number>> = { 15: 1, 60: 3 };

/** A kind of policy with its settings. */
export interface Family {
  readonly name: string;
  readonly settings: readonly MakePolicy[];
}

const LAGS = [2, 4, 6, 10, 25, 50, 100, 200, 400];
const DOWN = [100, 10];

/** docktor is shown with other settings, too, and judged by its default. */
export const FAMILIES: readonly Family[] = [
  {
    name: "docktor",
    settings: [
      ...[0.5, 0.6, 0.7].map((utilization) => docktor({ utilization })),
      docktor(),
      docktor({ utilization: 0.9 }),
    ],
  },
  {
    name: "KEDA",
    settings: DOWN.flatMap((scaleDownPct) => LAGS.map((lag) => keda(lag, { scaleDownPct }))),
  },
  {
    name: "HPA on CPU",
    settings: DOWN.flatMap((scaleDownPct) =>
      [25, 30, 35, 40, 50, 60, 70].map((target) => hpaCpu(target, { scaleDownPct })),
    ),
  },
  {
    name: "Flink/DS2",
    settings: [0.1, 0.3].flatMap((band) =>
      [0.3, 0.4, 0.5, 0.6, 0.7].map((utilization) => flink(utilization, band)),
    ),
  },
];

/** The outcomes of one setting, one for each start-up time. */
export type Setting = readonly Outcome[];

/**
 * The best: of those that keep within the gate the one with the fewest replicas, and if none does, the one that is over
 * the SLO for the least time.
 */
export function best(settings: readonly Setting[]): Setting {
  const over = (setting: Setting): number => sum(setting.map(({ all }) => all.overSlo.mean));
  const replicas = (setting: Setting): number => sum(setting.map(({ all }) => all.replicas.mean));
  const within = settings.filter((setting) =>
    setting.every(({ startUpS, all }) => all.overSlo.mean <= (GATE[startUpS] ?? 0)),
  );
  const [first] =
    within.length > 0
      ? within.toSorted((a, b) => replicas(a) - replicas(b))
      : settings.toSorted((a, b) => over(a) - over(b));
  return first ?? [];
}

function sum(values: readonly number[]): number {
  return values.reduce((total, value) => total + value, 0);
}
