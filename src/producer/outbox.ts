/** Messages that are not sent yet, and which of them may go next. */
import { Fifo } from "../fifo.ts";
import type { Pending } from "./message.ts";
import type { PublishOrder } from "./options.ts";

/** Messages waiting to be sent, in the order of the publish calls. */
export interface Outbox {
  readonly size: number;
  /** The message that may be sent next, if any may. */
  readonly next: Pending | undefined;
  push(pending: Pending): void;
  /** Takes out what `next` is. */
  shift(): Pending | undefined;
  /** Says that a message taken out with `shift` is stored or has failed. */
  settled(pending: Pending): void;
  /** Takes out everything that came in at `time` or before; none of it counts as sent. */
  takeUntil(time: number): Pending[];
}

/** The outbox that keeps what `order` promises. */
export function createOutbox(order: PublishOrder): Outbox {
  return order === "strict" ? new StrictOutbox() : new PipelinedOutbox();
}

class PipelinedOutbox implements Outbox {
  readonly #waiting = new Fifo<Pending>();

  get size(): number {
    return this.#waiting.size;
  }

  get next(): Pending | undefined {
    return this.#waiting.first;
  }

  push(pending: Pending): void {
    this.#waiting.push(pending);
  }

  shift(): Pending | undefined {
    return this.#waiting.shift();
  }

  settled(): void {}

  takeUntil(time: number): Pending[] {
    return takeWhileOld(this.#waiting, time);
  }
}

/** One queue per partition, whose first message may only go when none of it is under way. */
class StrictOutbox implements Outbox {
  /** A partition is in here while it has a message waiting or under way. */
  readonly #partitions = new Map<number, Fifo<Pending>>();
  /** At most one message of each partition. */
  readonly #ready = new Fifo<Pending>();
  #size = 0;

  get size(): number {
    return this.#size;
  }

  get next(): Pending | undefined {
    return this.#ready.first;
  }

  push(pending: Pending): void {
    this.#size++;
    const behind = this.#partitions.get(pending.message.partition);
    if (behind !== undefined) {
      behind.push(pending);
      return;
    }
    this.#partitions.set(pending.message.partition, new Fifo());
    this.#ready.push(pending);
  }

  shift(): Pending | undefined {
    const pending = this.#ready.shift();
    if (pending !== undefined) this.#size--;
    return pending;
  }

  settled(pending: Pending): void {
    const behind = this.#partitions.get(pending.message.partition);
    const next = behind?.shift();
    if (next === undefined) this.#partitions.delete(pending.message.partition);
    else this.#ready.push(next);
  }

  takeUntil(time: number): Pending[] {
    const behind = [...this.#partitions.values()].flatMap((queue) => takeWhileOld(queue, time));
    const ready = takeWhileOld(this.#ready, time);
    this.#size -= behind.length + ready.length;
    for (const pending of ready) this.settled(pending);
    return [...ready, ...behind];
  }
}

function takeWhileOld(queue: Fifo<Pending>, time: number): Pending[] {
  const taken: Pending[] = [];
  while (queue.first !== undefined && queue.first.queuedAt <= time) {
    const pending = queue.shift();
    if (pending !== undefined) taken.push(pending);
  }
  return taken;
}
