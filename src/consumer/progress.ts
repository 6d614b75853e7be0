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
  /** Started, in order; the first one is not finished. */
  readonly #open: Tracked<T>[] = [];
  /** Finished without a gap, and not committed. */
  readonly #settled: T[] = [];

  /** The last item to commit: everything up to it is finished. Undefined when there is none. */
  get floor(): T | undefined {
    return this.#settled.at(-1);
  }

  /** How many items a commit of {@link floor} covers. */
  get committable(): number {
    return this.#settled.length;
  }

  /** Items started and not committed: what another member would handle again. */
  get uncommitted(): number {
    return this.#open.length + this.#settled.length;
  }

  /** The earliest item that is started and not finished. */
  get oldest(): Tracked<T> | undefined {
    return this.#open[0];
  }

  /** Items must be started in order. */
  start(item: T): Tracked<T> {
    const tracked = { item, finished: false };
    this.#open.push(tracked);
    return tracked;
  }

  /** Items may finish in any order; the floor follows the contiguous prefix. */
  finish(tracked: Tracked<T>): void {
    tracked.finished = true;
    let done = 0;
    while (this.#open[done]?.finished) done++;
    for (const { item } of this.#open.splice(0, done)) this.#settled.push(item);
  }

  /** The first `count` committable items are committed; returns them. */
  committed(count: number): T[] {
    return this.#settled.splice(0, count);
  }
}
