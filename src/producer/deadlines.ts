/** When something that a producer waits for is overdue. */
import { Alarm } from "./alarm.ts";
import type { InFlight } from "./in-flight.ts";
import type { Pending } from "./message.ts";
import type { ProducerSettings } from "./options.ts";

/** How long a producer waits for what. */
export interface Patience extends Pick<ProducerSettings, "ackTimeoutMs" | "retryForMs"> {
  /** For how long after its first attempt the stream surely recognises another one. */
  readonly resendForMs: number;
}

/** What a producer waits for at the moment. */
export interface Waiting {
  readonly inFlight: InFlight;
  /** Nothing is sent again: the connection is down. */
  readonly suspended: boolean;
  /** How many messages are not sent yet. */
  readonly unsent: number;
  /** When the stream should be asked again, if that is wanted. */
  readonly askAt: number | undefined;
}

const OUTBOX_CHECK_MS = 250;

/** A producer's deadlines, and an alarm that rings at the earliest of them. */
export class Deadlines {
  readonly #patience: Patience;
  readonly #alarm: Alarm;
  /** When the server last decided on a message. */
  #progressAt = 0;
  #endBy = Number.POSITIVE_INFINITY;

  constructor(patience: Patience, ring: () => void) {
    this.#patience = patience;
    this.#alarm = new Alarm(ring);
  }

  /** A message goes out, perhaps again. */
  sent(pending: Pending, now: number): void {
    if (pending.attempts === 1) pending.resendBy = now + this.#patience.resendForMs;
    pending.dueAt = now + this.#patience.ackTimeoutMs;
    this.#alarm.set(pending.dueAt);
  }

  /** The server decided on a message, or from now on it has one to decide on. */
  progress(now: number): void {
    this.#progressAt = now;
  }

  /** Messages that came in until then have waited for too long to be sent, if any have. */
  unsentSince(now: number): number | undefined {
    const longAgo = now - this.#patience.retryForMs;
    // As long as the server decides on messages, those behind them will have their turn.
    return this.#progressAt <= longAgo ? longAgo : undefined;
  }

  /** Everything is overdue `ms` from now. */
  endWithin(ms: number): void {
    this.#endBy = performance.now() + ms;
  }

  /** Whether everything is overdue. */
  isEnd(now: number): boolean {
    return now >= this.#endBy;
  }

  /** Rings when the stream should be asked again. */
  watchHold(askAt: number): void {
    this.#alarm.set(askAt);
  }

  /** Rings when messages may have waited for too long to be sent. */
  watchOutbox(): void {
    this.#alarm.set(this.#outboxCheckAt());
  }

  /** Rings at the next moment at which something can be overdue, and not before. */
  watch({ inFlight, suspended, unsent, askAt }: Waiting): void {
    this.#alarm.clear();
    if (unsent + inFlight.size === 0) return;
    let next = this.#endBy;
    if (unsent > 0) next = Math.min(next, this.#outboxCheckAt());
    if (askAt !== undefined) next = Math.min(next, askAt);
    for (const { waiting, dueAt, resendBy } of inFlight) {
      next = Math.min(next, suspended || waiting ? resendBy : dueAt);
    }
    this.#alarm.set(next);
  }

  /** There is nothing to wait for. */
  clear(): void {
    this.#alarm.clear();
  }

  #outboxCheckAt(): number {
    const soon = performance.now() + OUTBOX_CHECK_MS;
    return Math.max(soon, this.#progressAt + this.#patience.retryForMs);
  }
}
