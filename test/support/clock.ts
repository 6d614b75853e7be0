/** A clock that moves only when a test says so. */
import type { Clock } from "../../src/clock.ts";

interface Sleeper {
  readonly until: number;
  readonly wake: () => void;
}

/** Time as the test wants it. */
export class ManualClock implements Clock {
  #now = 1_000;
  readonly #sleepers = new Set<Sleeper>();

  now(): number {
    return this.#now;
  }

  async sleep(ms: number, signal?: AbortSignal): Promise<void> {
    signal?.throwIfAborted();
    await new Promise<void>((resolve, reject) => {
      const stop = (): void => {
        this.#sleepers.delete(sleeper);
        reject(signal?.reason);
      };
      const wake = (): void => {
        signal?.removeEventListener("abort", stop);
        resolve();
      };
      const sleeper = { until: this.#now + ms, wake };
      this.#sleepers.add(sleeper);
      signal?.addEventListener("abort", stop);
    });
  }

  /** How many sleep. */
  get sleepers(): number {
    return this.#sleepers.size;
  }

  /** Moves the time without waking anyone, as when the process is stopped. */
  freeze(ms: number): void {
    this.#now += ms;
  }

  /** Moves the time and lets everything that is due happen, in order. */
  async advance(ms: number): Promise<void> {
    const end = this.#now + ms;
    for (;;) {
      await settleTasks();
      const due = [...this.#sleepers].filter(({ until }) => until <= end);
      const next = due.sort((a, b) => a.until - b.until)[0];
      if (next === undefined) break;
      this.#now = Math.max(this.#now, next.until);
      this.#sleepers.delete(next);
      next.wake();
    }
    this.#now = end;
    await settleTasks();
  }
}

/** Lets every promise that can settle without the clock settle. */
async function settleTasks(): Promise<void> {
  for (let i = 0; i < 20; i++) await new Promise<void>((resolve) => setImmediate(resolve));
}
