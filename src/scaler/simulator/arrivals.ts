/** What comes in: each message by itself, at the rates of the traffic. */
import type { Backlog } from "./backlog.ts";
import type { Random } from "./random.ts";
import type { Traffic } from "./traffic.ts";

/** Brings the messages of a traffic. */
export class Arrivals {
  readonly #traffic: Traffic;
  readonly #weights: readonly number[];
  readonly #random: Random;
  readonly #hot: number;
  readonly #counts: number[];

  /** With the part of the messages that belongs to each partition. */
  constructor(traffic: Traffic, weights: readonly number[], random: Random) {
    this.#traffic = traffic;
    this.#weights = weights;
    this.#random = random;
    this.#hot = Math.floor(random.next() * weights.length);
    this.#counts = weights.map(() => 0);
  }

  /** How many messages have come into each partition. */
  get counts(): readonly number[] {
    return this.#counts;
  }

  get total(): number {
    return this.#counts.reduce((sum, count) => sum + count, 0);
  }

  /** The messages from now on, for so long. */
  step(now: number, ms: number, backlogs: readonly Backlog[]): void {
    const { hotKey, dumps = [] } = this.#traffic;
    let shared = (this.#traffic.rate(now) * ms) / 1_000;
    for (const { at, count } of dumps) if (at >= now && at < now + ms) shared += count;
    const hot = ((hotKey?.(now) ?? 0) * ms) / 1_000;
    for (let partition = 0; partition < backlogs.length; partition++) {
      const expected =
        shared * (this.#weights[partition] ?? 0) + (partition === this.#hot ? hot : 0);
      const count = this.#random.poisson(expected);
      backlogs[partition]?.add(now, count);
      this.#counts[partition] = (this.#counts[partition] ?? 0) + count;
    }
  }
}
