/** Messages that are not sent yet, and which of them may go next. */
import type { Entry } from "./message.ts";
import type { PublishOrder } from "./options.ts";

/** First in, first out, in constant time. */
class Fifo<T> {
  #items: T[] = [];
  #head = 0;

  get size(): number {
    return this.#items.length - this.#head;
  }

  get first(): T | undefined {
    return this.#items[this.#head];
  }

  push(item: T): void {
    this.#items.push(item);
  }

  shift(): T | undefined {
    const item = this.#items[this.#head];
    if (item === undefined) return undefined;
    this.#head++;
    if (this.#head === this.#items.length) {
      this.#items = [];
      this.#head = 0;
    } else if (this.#head >= 1_024 && this.#head * 2 > this.#items.length) {
      this.#items = this.#items.slice(this.#head);
      this.#head = 0;
    }
    return item;
  }
}

/** Messages waiting to be sent, in the order of the publish calls. */
export interface Backlog {
  readonly size: number;
  /** The message that may be sent next, if any may. */
  readonly next: Entry | undefined;
  push(entry: Entry): void;
  /** Takes out what `next` is. */
  shift(): Entry | undefined;
  /** Says that a message taken out with `shift` is stored or has failed. */
  settled(entry: Entry): void;
  /** Takes out everything that came in at `time` or before; none of it counts as sent. */
  takeUntil(time: number): Entry[];
}

/** The backlog that keeps what `order` promises. */
export function createBacklog(order: PublishOrder): Backlog {
  return order === "strict" ? new StrictBacklog() : new PipelinedBacklog();
}

class PipelinedBacklog implements Backlog {
  readonly #waiting = new Fifo<Entry>();

  get size(): number {
    return this.#waiting.size;
  }

  get next(): Entry | undefined {
    return this.#waiting.first;
  }

  push(entry: Entry): void {
    this.#waiting.push(entry);
  }

  shift(): Entry | undefined {
    return this.#waiting.shift();
  }

  settled(): void {}

  takeUntil(time: number): Entry[] {
    return takeWhileOld(this.#waiting, time);
  }
}

/** One queue per partition, whose first message may only go when none of it is under way. */
class StrictBacklog implements Backlog {
  /** A partition is in here while it has a message waiting or under way. */
  readonly #partitions = new Map<number, Fifo<Entry>>();
  /** At most one message of each partition. */
  readonly #ready = new Fifo<Entry>();
  #size = 0;

  get size(): number {
    return this.#size;
  }

  get next(): Entry | undefined {
    return this.#ready.first;
  }

  push(entry: Entry): void {
    this.#size++;
    const behind = this.#partitions.get(entry.message.partition);
    if (behind !== undefined) {
      behind.push(entry);
      return;
    }
    this.#partitions.set(entry.message.partition, new Fifo());
    this.#ready.push(entry);
  }

  shift(): Entry | undefined {
    const entry = this.#ready.shift();
    if (entry !== undefined) this.#size--;
    return entry;
  }

  settled(entry: Entry): void {
    const behind = this.#partitions.get(entry.message.partition);
    const next = behind?.shift();
    if (next === undefined) this.#partitions.delete(entry.message.partition);
    else this.#ready.push(next);
  }

  takeUntil(time: number): Entry[] {
    const behind = [...this.#partitions.values()].flatMap((queue) => takeWhileOld(queue, time));
    const ready = takeWhileOld(this.#ready, time);
    this.#size -= behind.length + ready.length;
    for (const entry of ready) this.settled(entry);
    return [...ready, ...behind];
  }
}

function takeWhileOld(queue: Fifo<Entry>, time: number): Entry[] {
  const taken: Entry[] = [];
  while (queue.first !== undefined && queue.first.queuedAt <= time) {
    const entry = queue.shift();
    if (entry !== undefined) taken.push(entry);
  }
  return taken;
}
