/** What is found, as it is kept in a file. */
import type { Outcome } from "./compare.ts";

/** What came of one comparison. */
export interface Found {
  readonly name: string;
  readonly outcomes: readonly Outcome[];
}

/** One run of the benchmark. */
export interface Results {
  /** The nats-server's version. */
  readonly server: string;
  readonly machine: string;
  readonly rounds: number;
  readonly found: readonly Found[];
}
