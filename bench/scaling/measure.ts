/** One policy over all workloads and seeds. */
import type { MakePolicy } from "../../src/scaler/simulator/policies/policy.ts";
import { SERVICE, type Service } from "../../src/scaler/simulator/service.ts";
import { simulate, type Simulated } from "../../src/scaler/simulator/simulate.ts";
import { WORKLOADS, type WorkloadName } from "../../src/scaler/simulator/workloads.ts";
import { type Estimate, estimate } from "./estimate.ts";

/** All workloads. */
export const ALL: readonly WorkloadName[] = Object.keys(WORKLOADS) as WorkloadName[];

/** What is told of a policy. Counts are per hour. */
export interface Figures {
  /** The part of the time in which a message had waited for longer than the SLO, in per cent. */
  readonly overSlo: Estimate;
  /** Replica-hours per hour. */
  readonly replicas: Estimate;
  readonly actions: Estimate;
  readonly reversals: Estimate;
  readonly moves: Estimate;
  /** The longest wait of each seed, in seconds. */
  readonly maxAge: Estimate;
}

/** A policy with one start-up time. */
export interface Outcome {
  readonly policy: string;
  readonly settings: string;
  readonly startUpS: number;
  /** Each workload counting the same. */
  readonly all: Figures;
  /** Each workload by itself; none where nobody asks. */
  readonly workloads: Readonly<Partial<Record<WorkloadName, Figures>>>;
}

/** Simulates it, the service being as it is but for what is changed. */
export function measure(
  make: MakePolicy,
  startUpS: number,
  seeds: readonly number[],
  changed: Partial<Service> = {},
): Outcome {
  const service = { ...changed, startUpMs: startUpS * 1_000 };
  // Of each seed, all workloads.
  const runs = seeds.map((seed) =>
    ALL.map((workload) => simulate({ workload, policy: make, seed, service })),
  );
  const { name: policy, settings } = make({ ...SERVICE, ...service });
  const workloads = ALL.map((name, i): [WorkloadName, Figures] => [
    name,
    figures(runs.map((each) => each.slice(i, i + 1))),
  ]);
  const all = figures(runs);
  return { policy, settings, startUpS, all, workloads: Object.fromEntries(workloads) };
}

/** The figures, from some simulations of each seed. */
function figures(runs: readonly (readonly Simulated[])[]): Figures {
  const of = (value: (each: Simulated) => number): Estimate =>
    estimate(runs.map((seed) => seed.reduce((sum, each) => sum + value(each), 0) / seed.length));
  return {
    overSlo: of(({ overSlo }) => 100 * overSlo),
    replicas: of(({ replicaHours, hours }) => replicaHours / hours),
    actions: of(({ actions, hours }) => actions / hours),
    reversals: of(({ reversals, hours }) => reversals / hours),
    moves: of(({ moves, hours }) => moves / hours),
    maxAge: estimate(runs.map((seed) => Math.max(...seed.map(({ maxAgeMs }) => maxAgeMs)) / 1_000)),
  };
}
