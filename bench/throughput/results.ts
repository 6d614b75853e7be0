/** What is found, as it is kept in a file. */
import type { Outcome, Spread } from "./compare.ts";
import type { Lateness } from "./latency-program.ts";

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

/** One run of the latency benchmark; medians of the rounds. */
export interface LatencyResults {
  readonly server: string;
  readonly machine: string;
  readonly rounds: number;
  /** Messages per second. */
  readonly rate: number;
  readonly sides: readonly ({ readonly side: string } & Lateness)[];
  /** Docktor's p99 as so many times that of the other side in the same round. */
  readonly p99Ratio: Spread;
}
