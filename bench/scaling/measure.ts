/** One policy over all workloads and seeds. */
import type { MakePolicy } from "../../src/scaler/simulator/policies/policy.ts";
import { SERVICE, type Service } from "../../src/scaler/simulator/service.ts";
import { simulate, type Simulated } from "../../src/scaler/simulator/simulate.ts";
import { WORKLOADS, type WorkloadName } from "../../src/scaler/simulator/workloads.ts";
import { type Estimate, estimate, meanOf } from "./estimate.ts";

/** All workloads. */
export const ALL: readonly WorkloadName[] = Object.keys(WORKLOADS) as WorkloadName[];

/** Those in which all partitions have about the same to do, and all replicas are equally fast. */
export const EVEN: readonly WorkloadName[] = ALL.filter(
  (name) => name !== "hot-partition" && name !== "slow-replicas",
);

/** What is told of a policy. Counts are per hour. */
export interface Figures<T> {
  /** The part of the time in which a message had waited for longer than the SLO, in per cent. */
  readonly overSlo: T;
  /** Replica-hours per hour. */
  readonly replicas: T;
  readonly actions: T;
  readonly reversals: T;
  readonly moves: T;
  /** The longest wait of each seed, in seconds. */
  readonly maxAge: T;
}

/** A policy with one start-up time. */
export interface Outcome {
  readonly policy: string;
  readonly settings: string;
  readonly startUpS: number;
  /** Each workload counting the same. */
  readonly all: Figures<Estimate>;
  /** Each workload by itself. */
  readonly workloads: Readonly<Partial<Record<WorkloadName, Means>>>;
}

/** What a setting is chosen by, on average. */
export type Means = Readonly<Record<"overSlo" | "replicas", number>>;

/** The means of a policy with one start-up time. */
export interface Brief extends Means {
  readonly policy: string;
  readonly startUpS: number;
}

/** With what it is simulated. */
export interface Conditions {
  /** Default: all of them. */
  readonly workloads?: readonly WorkloadName[];
  /** What is different from the service as it is. */
  readonly changed?: Partial<Service>;
}

/** Simulates it. */
export function measure(
  make: MakePolicy,
  startUpS: number,
  seeds: readonly number[],
  { workloads: names = ALL, changed = {} }: Conditions = {},
): Outcome {
  const service = { ...changed, startUpMs: startUpS * 1_000 };
  // Of each seed, all workloads.
  const runs = seeds.map((seed) =>
    names.map((workload) => simulate({ workload, policy: make, seed, service })),
  );
  const { name: policy, settings } = make({ ...SERVICE, ...service });
  const workloads = names.map((name, i): [WorkloadName, Means] => {
    const ofSeeds = runs.map((each) => figuresOf(each.slice(i, i + 1)));
    const { overSlo, replicas } = across(ofSeeds, meanOf);
    return [name, { overSlo, replicas }];
  });
  const all = across(runs.map(figuresOf), estimate);
  return { policy, settings, startUpS, all, workloads: Object.fromEntries(workloads) };
}

/** An outcome in brief, among some of its workloads. */
export function brief(
  { policy, startUpS, workloads }: Outcome,
  among: readonly WorkloadName[] = ALL,
): Brief {
  const means = among.flatMap((name) => workloads[name] ?? []);
  const overSlo = meanOf(means.map((each) => each.overSlo));
  return { policy, startUpS, overSlo, replicas: meanOf(means.map((each) => each.replicas)) };
}

/** The figures of some simulations of one seed. */
function figuresOf(runs: readonly Simulated[]): Figures<number> {
  const mean = (of: (each: Simulated) => number): number => meanOf(runs.map(of));
  return {
    overSlo: mean(({ overSlo }) => 100 * overSlo),
    replicas: mean(({ replicaHours, hours }) => replicaHours / hours),
    actions: mean(({ actions, hours }) => actions / hours),
    reversals: mean(({ reversals, hours }) => reversals / hours),
    moves: mean(({ moves, hours }) => moves / hours),
    maxAge: Math.max(...runs.map(({ maxAgeMs }) => maxAgeMs)) / 1_000,
  };
}

/** Each figure, from that of every seed. */
function across<T>(
  seeds: readonly Figures<number>[],
  of: (values: readonly number[]) => T,
): Figures<T> {
  const figure = (name: keyof Figures<T>): T => of(seeds.map((each) => each[name]));
  return {
    overSlo: figure("overSlo"),
    replicas: figure("replicas"),
    actions: figure("actions"),
    reversals: figure("reversals"),
    moves: figure("moves"),
    maxAge: figure("maxAge"),
  };
}
