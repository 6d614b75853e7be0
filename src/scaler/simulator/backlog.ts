/** The messages of one partition that are not handled yet: first in, first out. */

/** Those that came in the same step are kept as one cohort, so that millions of messages take little room. */
export class Backlog {
  #times: number[] = [];
  #counts: number[] = [];
  #head = 0;
  #tail = 0;
  #size = 0;

  get size(): number {
    return this.#size;
  }

  /** When the oldest message came in; undefined without any. */
  get oldestAt(): number | undefined {
    return this.#size === 0 ? undefined : this.#times[this.#head];
  }

  add(at: number, count: number): void {
    if (count === 0) return;
    this.#times[this.#tail] = at;
    this.#counts[this.#tail] = count;
    this.#tail += 1;
    this.#size += count;
  }

  /** Takes the oldest messages: so many, or all that there are. Returns how many. */
  take(count: number): number {
    if (count >= this.#size) return this.#takeAll();
    this.#size -= count;
    let left = count;
    for (;;) {
      const cohort = this.#counts[this.#head] ?? 0;
      if (cohort > left) {
        this.#counts[this.#head] = cohort - left;
        return count;
      }
      left -= cohort;
      this.#head += 1;
    }
  }

  #takeAll(): number {
    const all = this.#size;
    this.#size = 0;
    // What is behind the tail is written over.
    this.#head = 0;
    this.#tail = 0;
    return all;
  }
}
