/** Looks for partitions that do not get on: a message has been under way for too long. */
import type { Clock } from "../clock.ts";

/** The most time between two looks, and the least, in milliseconds. */
const LONGEST_INTERVAL_MS = 5_000;
const SHORTEST_INTERVAL_MS = 25;

/** What of a pump matters here. */
export interface Stallable {
  /** The sequence of the earliest message that was handed over and is not handled. */
  readonly oldest: number | undefined;
}

/** What looking needs. */
export interface StallWatchOptions<P extends Stallable> {
  clock: Clock;
  /** After how long without getting on a partition counts as stalled, in milliseconds. */
  afterMs: number;
  pumps: () => readonly P[];
  /** Told once for each `afterMs` that the message stays the earliest. */
  onStalled: (pump: P, sequence: number, stalledMs: number) => void;
}

/** Watches all partitions of a member, by its clock. */
export class StallWatch<P extends Stallable> {
  readonly #options: StallWatchOptions<P>;
  /** Since when which message has been the earliest, and when that was told last. */
  readonly #since = new WeakMap<P, { sequence: number; from: number; toldAt: number }>();
  #timer: NodeJS.Timeout | undefined;

  constructor(options: StallWatchOptions<P>) {
    this.#options = options;
  }

  /** Looks from time to time for as long as there is anything to look after. */
  start(): void {
    const { afterMs } = this.#options;
    if (afterMs === 0 || this.#timer !== undefined) return;
    const intervalMs = Math.min(Math.max(afterMs / 4, SHORTEST_INTERVAL_MS), LONGEST_INTERVAL_MS);
    this.#timer = setInterval(() => this.look(), intervalMs).unref();
  }

  /** One look at all of them. */
  look(): void {
    const { clock, afterMs, pumps, onStalled } = this.#options;
    const now = clock.now();
    const present = pumps();
    if (present.length === 0) {
      clearInterval(this.#timer);
      this.#timer = undefined;
    }
    for (const pump of present) {
      const { oldest } = pump;
      const known = this.#since.get(pump);
      if (oldest === undefined) this.#since.delete(pump);
      else if (known?.sequence !== oldest) {
        this.#since.set(pump, { sequence: oldest, from: now, toldAt: now });
      } else if (now - known.toldAt >= afterMs) {
        known.toldAt = now;
        onStalled(pump, oldest, now - known.from);
      }
    }
  }
}
