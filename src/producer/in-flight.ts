/** The messages that were sent and whose outcome is open. */
import type { Pending } from "./message.ts";

/** Messages in the order of their first sending, and how many more may join them. */
export class InFlight implements Iterable<Pending> {
  readonly #maxMessages: number;
  readonly #maxBytes: number;
  /** By their tokens; `Map` keeps the order in which they came. */
  readonly #messages = new Map<number, Pending>();
  #bytes = 0;

  constructor(maxMessages: number, maxBytes: number) {
    this.#maxMessages = maxMessages;
    this.#maxBytes = maxBytes;
  }

  /** How many there are. */
  get size(): number {
    return this.#messages.size;
  }

  /** Their bytes, headers and data. */
  get bytes(): number {
    return this.#bytes;
  }

  /** Those that are added or deleted meanwhile are, or are not, among them. */
  [Symbol.iterator](): Iterator<Pending> {
    return this.#messages.values();
  }

  /** The message with this token. */
  get(token: number): Pending | undefined {
    return this.#messages.get(token);
  }

  /** Whether there is room for the message; a large one has room alone. */
  fits({ message }: Pending): boolean {
    if (this.#messages.size >= this.#maxMessages) return false;
    return this.#messages.size === 0 || this.#bytes + message.size <= this.#maxBytes;
  }

  add(pending: Pending): void {
    this.#messages.set(pending.token, pending);
    this.#bytes += pending.message.size;
  }

  delete(pending: Pending): void {
    this.#messages.delete(pending.token);
    this.#bytes -= pending.message.size;
  }

  /** Takes out all of them. */
  takeAll(): Pending[] {
    const all = [...this.#messages.values()];
    this.#messages.clear();
    this.#bytes = 0;
    return all;
  }
}
