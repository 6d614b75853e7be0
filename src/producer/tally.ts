/** Counts the messages without an outcome, and tells who waits for that to change. */
import type { Pending } from "./message.ts";

interface FlushWaiter {
  /** The last message that is waited for. */
  readonly upTo: number;
  remaining: number;
  readonly resolve: () => void;
}

interface ReadyWaiter {
  readonly promise: Promise<void>;
  readonly resolve: () => void;
  readonly reject: (error: Error) => void;
}

const DONE: Promise<void> = Promise.resolve();

/** The messages of one producer whose outcome is open. */
export class Tally {
  readonly #maxMessages: number;
  readonly #maxBytes: number;
  #messages = 0;
  #bytes = 0;
  #lastToken = 0;
  #flushes: FlushWaiter[] = [];
  #ready: ReadyWaiter | undefined;

  /** Above these numbers, `ready` waits. */
  constructor(maxMessages: number, maxBytes: number) {
    this.#maxMessages = maxMessages;
    this.#maxBytes = maxBytes;
  }

  /** How many there are. */
  get messages(): number {
    return this.#messages;
  }

  /** Counts a message in; returns its token. */
  enter(size: number): number {
    this.#messages++;
    this.#bytes += size;
    return ++this.#lastToken;
  }

  /** Counts out a message that has its outcome. */
  leave(pending: Pending): void {
    this.#messages--;
    this.#bytes -= pending.message.size;
    if (this.#flushes.length > 0) this.#tellFlushes(pending.token);
    if (this.#ready !== undefined && this.hasRoom) {
      this.#ready.resolve();
      this.#ready = undefined;
    }
  }

  /** Resolves when everything counted in so far is counted out. */
  flush(): Promise<void> {
    if (this.#messages === 0) return DONE;
    return new Promise((resolve) => {
      this.#flushes.push({ upTo: this.#lastToken, remaining: this.#messages, resolve });
    });
  }

  /** Whether there is room for one more. */
  get hasRoom(): boolean {
    return this.#messages < this.#maxMessages && this.#bytes < this.#maxBytes;
  }

  /** Resolves when there is room for one more. */
  ready(): Promise<void> {
    if (this.hasRoom) return DONE;
    this.#ready ??= readyWaiter();
    return this.#ready.promise;
  }

  /** There will be no more room: rejects those who wait for it. */
  end(error: Error): void {
    this.#ready?.reject(error);
    this.#ready = undefined;
  }

  #tellFlushes(token: number): void {
    let done = false;
    for (const flush of this.#flushes) {
      if (token > flush.upTo) continue;
      flush.remaining--;
      if (flush.remaining > 0) continue;
      flush.resolve();
      done = true;
    }
    if (done) this.#flushes = this.#flushes.filter((flush) => flush.remaining > 0);
  }
}

function readyWaiter(): ReadyWaiter {
  let resolve = (): void => {};
  let reject = (_error: Error): void => {};
  const promise = new Promise<void>((yes, no) => {
    resolve = yes;
    reject = no;
  });
  // It is shared: whoever still waits gets the rejection, and nobody may.
  promise.catch(() => {});
  return { promise, resolve, reject };
}
