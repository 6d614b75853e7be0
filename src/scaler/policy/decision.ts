/** The words of the policy: what it is told, and what it answers. */
import type { Demand, DemandSettings } from "./demand.ts";
import type { Readings, Replicas, Unread } from "./readings.ts";
import type { Rules } from "./rules.ts";

/** How a service is scaled. */
export interface PolicySettings {
  readonly minReplicas: number;
  readonly maxReplicas: number;
  /** By rates and backlog, or by the user's thresholds. */
  readonly policy:
    | ({ readonly kind: "rate" } & DemandSettings)
    | { readonly kind: "rules"; readonly rules: Rules };
  /** Over how long rates and CPU are measured, in milliseconds. Default 10,000. */
  readonly metricsWindowMs: number;
  /** No shrinking below what was desired at any time in the last so many milliseconds. */
  readonly windowMs: number;
  /** How long after an action the service is left alone, in milliseconds. */
  readonly cooldown: { readonly upMs: number; readonly downMs: number };
  /** The most actions in an hour. */
  readonly actionsPerHour: number;
  /** What to do when readings keep failing; undefined: the service stays as it is. */
  readonly fallback: Fallback | undefined;
  /** What is not done: anything, growing (`out`) or shrinking (`in`). */
  readonly paused: "all" | "in" | "out" | undefined;
  /** After how long without backlog and messages a service whose minimum is 0 is stopped, in milliseconds. */
  readonly idleMs: number;
}

/** Bad readings, in KEDA's words. */
export interface Fallback {
  /** After how many failures in a row. */
  readonly failureThreshold: number;
  readonly replicas: number;
  /** `currentReplicasIfHigher`, the default: it goes on with so many replicas, or more if it has more. */
  readonly behavior?: "currentReplicasIfHigher" | "currentReplicas";
}

/** What is known at the moment of a decision. */
export interface Situation {
  /** In milliseconds, on a clock that never goes back. */
  readonly now: number;
  readonly replicas: Replicas;
  /** Whether partitions are on their way between members. */
  readonly rebalancing: boolean;
  readonly readings: Readings | Unread;
}

/** What limited a decision, or kept it from being another. */
export type Rail =
  | "paused"
  | "unread"
  | "fallback"
  | "max"
  | "min"
  | "partitions"
  | "window"
  | "step"
  | "cooldown"
  | "budget"
  | "draining"
  | "rebalancing"
  | "starting"
  | "ineffective";

/** A decision, with all that it was made from. */
export interface Decision {
  readonly action: "up" | "down" | "hold";
  readonly current: number;
  readonly target: number;
  /** In one sentence, for people. */
  readonly reason: string;
  readonly rails: readonly Rail[];
  /** The terms of the formula; undefined where it was not used. */
  readonly demand: Demand | undefined;
}
