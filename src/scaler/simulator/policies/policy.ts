/** A policy as the simulator sees it: asked regularly, it says how many replicas there should be. */
import type { Situation } from "../../decision.ts";

/** One policy with its settings. */
export interface Policy {
  readonly name: string;
  /** How it decides, and by which settings, for people. */
  readonly settings: string;
  /** How often it is asked, in milliseconds; whole seconds. */
  readonly intervalMs: number;
  /** One that remembers nothing yet. */
  readonly begin: () => (situation: Situation) => number;
}

/** What every policy is told of the service. */
export interface Bounds {
  readonly minReplicas: number;
  readonly maxReplicas: number;
  /** For those that know the like. */
  readonly fallback: { readonly failureThreshold: number; readonly replicas: number };
}

/** How many replicas there are, whether they are ready or not. */
export function countOf({ replicas }: Situation): number {
  return replicas.ready + replicas.starting;
}

/** A number of replicas within these bounds. */
export function between(least: number, wanted: number, most: number): number {
  return Math.min(most, Math.max(least, wanted));
}
