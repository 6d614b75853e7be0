/** The messages of one partition that are not handled yet: first in, first out. */

/** Those that came in the same step are kept as one cohort, so that millions of messages take little room. */
export class Backlog {
  #times: number[] = [];
  #counts: number[] = [];
  #head = 0;
  #size = 0;

  get size(): number {
    return this.#size;
  }

  /** When the oldest message came in; undefined without any. */
  get oldestAt(): number | undefined {
    return this.#times[this.#head];
  }

  add(at: number, count: number): void {
    if (count === 0) return;
    this.#times.push(at);
    this.#counts.push(count);
    this.#size += count;
  }

  /** Takes the oldest `count` messages, of which there are as many. */
  take(count: number): void {
    this.#size -= count;
    let left = count;
    while (left > 0) {
      const cohort = this.#counts[this.#head] ?? 0;
      if (cohort > left) {
        this.#counts[this.#head] = cohort - left;
        return;
      }
      left -= cohort;
      this.#head += 1;
    }
    this.#tidy();
  }

  #tidy(): void {
    if (this.#head === this.#times.length) {
      this.#times.length = 0;
      this.#counts.length = 0;
    } else if (this.#head > 256 && this.#head * 2 > this.#times.length) {
      this.#times = this.#times.slice(this.#head);
      this.#counts = this.#counts.slice(this.#head);
    } else {
      return;
    }
    this.#head = 0;
  }
}
