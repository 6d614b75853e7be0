/**
 * How far a partition is handled without a gap, when its messages may finish out of
 * order. Pure: no clock, no I/O.
 */

/** One item under way. */
export interface Tracked<T> {
  readonly item: T;
  finished: boolean;
}

/** Tracks items from start to finish to commit. */
export class Progress<T> {
  readonly #open: Tracked<T>[] = [];
  #floor: T | undefined;
  #started = 0;
  #finished = 0;
  #committed = 0;

  /** The last item before which, itself included, everything is finished. */
  get floor(): T | undefined {
    return this.#floor;
  }

  /** Items started and not committed: what another member would handle again. */
  get uncommitted(): number {
    return this.#started - this.#committed;
  }

  /** Items that a commit of {@link floor} would add. */
  get committable(): number {
    return this.#finished - this.#committed;
  }

  /** Items must be started in order. */
  start(item: T): Tracked<T> {
    const tracked = { item, finished: false };
    this.#open.push(tracked);
    this.#started++;
    return tracked;
  }

  /** Items may finish in any order; the floor follows the contiguous prefix. */
  finish(tracked: Tracked<T>): void {
    tracked.finished = true;
    let done = 0;
    while (this.#open[done]?.finished) done++;
    if (done === 0) return;
    this.#floor = this.#open[done - 1]?.item;
    this.#finished += done;
    this.#open.splice(0, done);
  }

  /** What a commit of the floor, begun now, will cover; hand it to {@link committed} once it is done. */
  mark(): number {
    return this.#finished;
  }

  /** A commit begun at that mark is done. */
  committed(mark: number): void {
    this.#committed = Math.max(this.#committed, mark);
  }
}
