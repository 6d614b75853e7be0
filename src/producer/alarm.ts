/** One timer that always stands at the earliest moment asked for. */

const LONGEST_TIMER_MS = 2 ** 31 - 1;

/** Calls back once, at the earliest of the moments it was set to. */
export class Alarm {
  readonly #ring: () => void;
  #timer: NodeJS.Timeout | undefined;
  #at = Number.POSITIVE_INFINITY;

  constructor(ring: () => void) {
    this.#ring = ring;
  }

  /** Rings at `at`, on the clock of `performance.now()`, unless it is set to ring earlier. */
  set(at: number): void {
    if (at >= this.#at) return;
    this.clear();
    this.#at = at;
    // Timers have whole milliseconds, and one that rings early would only be set again.
    const delay = Math.ceil(Math.max(0, at - performance.now()));
    this.#timer = setTimeout(
      () => {
        this.#at = Number.POSITIVE_INFINITY;
        this.#timer = undefined;
        this.#ring();
      },
      Math.min(delay, LONGEST_TIMER_MS),
    );
  }

  /** Forgets every moment it was set to. */
  clear(): void {
    clearTimeout(this.#timer);
    this.#timer = undefined;
    this.#at = Number.POSITIVE_INFINITY;
  }
}
