/**
 * How many of a partition's messages a member holds that are not handled yet: few at first and where
 * handlers are slow, more where they are fast. Pure: no clock, no I/O.
 *
 * The limit doubles when the handler has to wait, and falls back to what it handles in two turns: so
 * a member with many partitions holds what it handles in two turns altogether, and the least of each, however
 * large the backlog is, and also when all its handlers hang at once.
 */

/** How many are held at least. */
const LEAST = 64;

/** How many turns of work are held. */
const TURNS = 2;

/** The limit of one partition. */
export class Credit {
  readonly #most: number;
  #limit: number;
  #handled = 0;

  /** @param most how many are held at most */
  constructor(most: number) {
    this.#most = most;
    this.#limit = Math.min(LEAST, most);
  }

  /** How many messages may be held. */
  get limit(): number {
    return this.#limit;
  }

  /** So many messages were handled. */
  handled(count: number): void {
    this.#handled += count;
  }

  /** There was nothing to hand to the handler, although the server has more. */
  starved(): void {
    this.#limit = Math.min(this.#limit * 2, this.#most);
  }

  /** A turn is over. */
  turn(): void {
    const wanted = Math.max(this.#handled * TURNS, LEAST);
    this.#limit = Math.min(this.#limit, wanted, this.#most);
    this.#handled = 0;
  }
}
