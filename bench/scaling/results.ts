/** What the benchmark of scaling policies writes to bench/results/scaling.json. */
import type { Setting } from "./grid.ts";

/** All of it. */
export interface Results {
  /** How many seeds the policies were compared on, and how many of those the grids and the other services. */
  readonly seeds: number;
  readonly gridSeeds: number;
  /** The policies by their names in `docktor simulate`, rivals with their best settings. */
  readonly policies: Readonly<Record<string, Setting>>;
  /** Some of them on other services, by what is different and by their names. */
  readonly variants: Readonly<Record<string, Readonly<Record<string, Setting>>>>;
  /** All settings that were tried. */
  readonly grids: readonly { readonly family: string; readonly settings: readonly Setting[] }[];
}
