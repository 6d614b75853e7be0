/** What the benchmark of scaling policies writes to bench/results/scaling.json. */
import type { Setting } from "./grid.ts";
import type { Outcome } from "./measure.ts";

/** All of it. */
export interface Results {
  /** On how many seeds the policies were compared, their settings tried, and other services simulated. */
  readonly seeds: number;
  readonly tuningSeeds: number;
  readonly variantSeeds: number;
  /** The policies by their names in `docktor simulate`, rivals with their best settings; one outcome a start-up time. */
  readonly policies: Readonly<Record<string, readonly Outcome[]>>;
  /** docktor, and each kind of rival as is best for the even workloads, on these alone. */
  readonly even: Readonly<Record<string, Setting>>;
  /** Some policies on other services, by what is different and by their names. */
  readonly variants: Readonly<Record<string, Readonly<Record<string, Setting>>>>;
  readonly grids: readonly Grid[];
}

/** All settings that were tried of one kind. */
export interface Grid {
  readonly family: string;
  /** On all workloads. */
  readonly settings: readonly Setting[];
  /** The same on the even ones. */
  readonly even: readonly Setting[];
}
