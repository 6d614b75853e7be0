/** A policy as the simulator sees it: asked regularly, it says how many replicas there should be. */
import type { Situation } from "../../policy/decision.ts";
import type { Service } from "../service.ts";

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

/** Makes a policy for a service. */
export type MakePolicy = (service: Service) => Policy;

/** How many replicas there are, whether they are ready or not. */
export function countOf({ replicas }: Situation): number {
  return replicas.ready + replicas.starting;
}

/** A number of replicas within these bounds. */
export function between(least: number, wanted: number, most: number): number {
  return Math.min(most, Math.max(least, wanted));
}
