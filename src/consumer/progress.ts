/**
 * How far a partition is handled without a gap, when its messages may finish out of
 * order. Pure: no clock, no I/O.
 */
import { Fifo } from "../fifo.ts";

/** What has a place in the order. */
export interface Sequenced {
  readonly sequence: number;
}

/** Tracks items from start to finish to commit. */
export class Progress<T extends Sequenced> {
  readonly #keepsAll: boolean;
  readonly #onCleared: (item: T) => void;
  /** Started, in order; the first one is not finished. */
  readonly #open = new Fifo<T>();
  /** The sequences of those that are finished all the same. */
  readonly #finished = new Set<number>();
  /** Finished without a gap, and not committed: all of them, or none, as was asked for. */
  readonly #cleared: T[] = [];
  #floor: T | undefined;
  #committable = 0;

  /**
   * @param keepsAll whether {@link committed} is to return the items, which are kept until then
   * @param onCleared told of each item that is finished without a gap
   */
  constructor(keepsAll: boolean, onCleared: (item: T) => void = () => {}) {
    this.#keepsAll = keepsAll;
    this.#onCleared = onCleared;
  }

  /** The last item to commit: everything up to it is finished. Undefined when there is none. */
  get floor(): T | undefined {
    return this.#committable === 0 ? undefined : this.#floor;
  }

  /** How many items a commit of {@link floor} covers. */
  get committable(): number {
    return this.#committable;
  }

  /** Items started and not committed: what another member would handle again. */
  get uncommitted(): number {
    return this.#open.size + this.#committable;
  }

  /** Items started and not finished. */
  get underWay(): number {
    return this.#open.size - this.#finished.size;
  }

  /** Items must be started in order. */
  start(item: T): void {
    this.#open.push(item);
  }

  /** Items may finish in any order; the floor follows the contiguous prefix. */
  finish(sequence: number): void {
    let { first } = this.#open;
    // It may have been set aside before its handler has returned.
    if (first === undefined || sequence < first.sequence) return;
    if (sequence > first.sequence) {
      this.#finished.add(sequence);
      return;
    }
    this.#clear(first);
    if (this.#finished.size === 0) return;
    for ({ first } = this.#open; first !== undefined; { first } = this.#open) {
      if (!this.#finished.delete(first.sequence)) return;
      this.#clear(first);
    }
  }

  /** The first one that is open is finished. */
  #clear(first: T): void {
    this.#open.shift();
    this.#floor = first;
    this.#committable++;
    if (this.#keepsAll) this.#cleared.push(first);
    this.#onCleared(first);
  }

  /** The first `count` committable items are committed; returns them, if they are kept. */
  committed(count: number): T[] {
    this.#committable -= count;
    return this.#cleared.splice(0, count);
  }
}
