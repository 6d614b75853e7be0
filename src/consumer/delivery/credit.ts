/**
 * How many of a partition's messages a member holds that are not handled yet: few at first and where
 * handlers are slow, more where they are fast. Pure: no clock, no I/O.
 *
 * The limit doubles when the handler has to wait, and falls back to what it handles in two periods. So
 * a member with many partitions holds no more than {@link LEAST} of each and what it handles in two periods
 * altogether, however large the backlog is, and also when all its handlers hang at once.
 */

/** How many are held at least. */
const LEAST = 64;

/**
 * How many are held at most: twice what may be handled and not committed, and no more than hide the way to
 * the server at full speed. What waits longer costs the garbage collector more, and what the server has sent
 * ahead has its answers to commits wait.
 */
export function mostHeld(window: number): number {
  return Math.min(2 * window, 1_024);
}

/** How long a period is, in milliseconds, and how many periods' work is held. */
const PERIOD_MS = 100;
const PERIODS = 2;

/** The limit of one partition. */
export class Credit {
  readonly #most: number;
  #limit: number;
  #handled = 0;
  #periodFrom = 0;

  /** @param most how many are held at most */
  constructor(most: number) {
    this.#most = most;
    this.#limit = Math.min(LEAST, most);
  }

  /** How many messages may be held. */
  get limit(): number {
    return this.#limit;
  }

  /** So many messages were handled; `now` in milliseconds, from whenever. */
  handled(count: number, now: number): void {
    this.#handled += count;
    if (now - this.#periodFrom < PERIOD_MS) return;
    const periods = Math.max(1, (now - this.#periodFrom) / PERIOD_MS);
    const wanted = Math.max(LEAST, (this.#handled / periods) * PERIODS);
    this.#limit = Math.min(this.#limit, Math.ceil(wanted), this.#most);
    this.#handled = 0;
    this.#periodFrom = now;
  }

  /** The handler has to wait, although the server has more. */
  starved(): void {
    this.#limit = Math.min(this.#limit * 2, this.#most);
  }
}
