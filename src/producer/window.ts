/**
 * Which messages are under way, which wait, and what happens to each until it is stored
 * or given up.
 *
 * Everything in flight was sent at least once and is sent again, oldest first, when the
 * connection comes back or the stream finds its leader again; until then nothing new is
 * sent, so that a retry is not overtaken by what came in after it.
 */
import { type DocktorError, isDocktorError } from "../errors.ts";
import { Alarm } from "./alarm.ts";
import { type Outbox, createOutbox } from "./outbox.ts";
import { Hold } from "./hold.ts";
import { type Pending, mayBeStored, type Outgoing, type PublishAck } from "./message.ts";
import type { ProducerSettings } from "./options.ts";
import { endedError, isFinal, refusalError, timeoutError, wrongStreamError } from "./refusal.ts";
import { Tally } from "./tally.ts";
import type { Reply } from "./wire.ts";

/** Where the window puts messages on the wire. */
export interface Outlet {
  /** Whether there is a connection, as far as the client knows. */
  isUp(): boolean;
  /** Sends; the reply comes back with the token. @throws DocktorError */
  send(message: Outgoing, token: number): void;
}

/** What the window works by. */
export interface WindowOptions
  extends Pick<
    ProducerSettings,
    "stream" | "order" | "maxInFlight" | "maxInFlightBytes" | "ackTimeoutMs" | "retryForMs"
  > {
  /** For how long after its first attempt the stream surely recognises another one. */
  readonly resendForMs: number;
}

const OUTBOX_CHECK_MS = 250;

/** The messages of one producer between `publish` and their outcome. */
export class Window {
  readonly #options: WindowOptions;
  readonly #outlet: Outlet;
  readonly #outbox: Outbox;
  readonly #tally: Tally;
  readonly #alarm: Alarm = new Alarm(() => this.#check());
  /** In the order of their first sending, which `Map` keeps. */
  readonly #inFlight = new Map<number, Pending>();
  #inFlightBytes = 0;
  /** The connection is down. */
  #suspended = false;
  /** The stream has no leader. */
  readonly #hold = new Hold();
  /** Something goes through the messages; what that sets free is sent afterwards. */
  #busy = false;
  /** `#pump` will run as soon as the running code is done. */
  #pumping = false;
  /** When the server last decided on a message. */
  #progressAt = 0;
  #endBy = Number.POSITIVE_INFINITY;
  #ended: DocktorError | undefined;

  constructor(options: WindowOptions, outlet: Outlet) {
    this.#options = options;
    this.#outlet = outlet;
    this.#outbox = createOutbox(options.order);
    this.#tally = new Tally(options.maxInFlight, options.maxInFlightBytes);
  }

  /** Messages accepted whose outcome is open. */
  get pending(): number {
    return this.#tally.messages;
  }

  /** Those of them that were sent. */
  get inFlight(): number {
    return this.#inFlight.size;
  }

  /** The bytes, headers and data, of those that were sent. */
  get inFlightBytes(): number {
    return this.#inFlightBytes;
  }

  /** Accepts a message; resolves once it is stored. */
  add(message: Outgoing): Promise<PublishAck> {
    if (this.#ended !== undefined) return Promise.reject(this.#ended);
    return new Promise((resolve, reject) => {
      const queuedAt = performance.now();
      if (this.#tally.messages === 0) this.#progressAt = queuedAt;
      this.#outbox.push({
        message,
        token: this.#tally.enter(message.size),
        queuedAt,
        resolve,
        reject,
        attempts: 0,
        refusals: 0,
        reason: undefined,
        waiting: false,
        dueAt: 0,
        resendBy: 0,
      });
      this.#pumpSoon();
    });
  }

  /** Resolves when another message would be sent at once. */
  ready(): Promise<void> {
    return this.#ended === undefined ? this.#tally.ready() : Promise.reject(this.#ended);
  }

  /** Resolves when everything accepted so far has an outcome. */
  flush(): Promise<void> {
    return this.#tally.flush();
  }

  /** What the server answered to the message with this token. */
  answer(token: number, reply: Reply): void {
    const pending = this.#inFlight.get(token);
    // Another attempt was answered before, or it was given up.
    if (pending === undefined) return;
    if (reply.kind === "stored") {
      this.#stored(pending, reply);
      return;
    }
    pending.refusals++;
    if (reply.kind === "nobody") {
      this.#wait(pending, "no stream takes its subject: it was deleted, or it has no leader");
    } else if (isFinal(reply.error)) {
      this.#decided();
      this.#fail(pending, refusalError(this.#options.stream, pending, reply.error));
    } else {
      this.#wait(pending, `${reply.error.description} (error ${reply.error.code})`);
    }
  }

  /** The server forbids publishing to a subject. */
  forbid(subject: string, error: DocktorError): void {
    this.#sweep(() => {
      for (const pending of this.#inFlight.values()) {
        if (pending.message.subject === subject) this.#fail(pending, error);
      }
    });
  }

  /** The connection is down: nothing is sent until `resume`. */
  suspend(): void {
    this.#suspended = true;
    this.#setAlarm();
  }

  /** There is a new connection: sends everything in flight again, then the rest. */
  resume(): void {
    if (!this.#outlet.isUp()) return;
    this.#suspended = false;
    this.#hold.end();
    this.#sweep((now) => {
      for (const pending of this.#inFlight.values()) this.#resend(pending, now);
    });
  }

  /** Gives up what has no outcome in `ms` from now. */
  endWithin(ms: number): void {
    this.#endBy = performance.now() + ms;
    this.#setAlarm();
  }

  /** Rejects everything that is pending, and from now on every `add`. */
  end(error: DocktorError): void {
    if (this.#ended !== undefined) return;
    this.#ended = error;
    const unsent = endedError(error, "was not sent");
    const unsure = endedError(error, "may or may not be stored");
    this.#tally.end(error);
    this.#rejectAll((pending) => (mayBeStored(pending) ? unsure : unsent));
  }

  #fits({ message }: Pending): boolean {
    const { maxInFlight, maxInFlightBytes } = this.#options;
    if (this.#inFlight.size >= maxInFlight) return false;
    return this.#inFlight.size === 0 || this.#inFlightBytes + message.size <= maxInFlightBytes;
  }

  /**
   * Sends what may be sent once the running code, its microtasks included, is done: the
   * client makes one write of what it is given at once, and one per message otherwise.
   */
  #pumpSoon(): void {
    if (this.#pumping) return;
    this.#pumping = true;
    process.nextTick(() => {
      this.#pumping = false;
      this.#pump();
    });
  }

  /** Sends from the outbox what may be sent. */
  #pump(): void {
    if (this.#busy) return;
    this.#busy = true;
    while (!this.#suspended && !this.#hold.active) {
      const pending = this.#outbox.next;
      if (pending === undefined || !this.#fits(pending)) break;
      if (!this.#outlet.isUp()) {
        this.#suspended = true;
        break;
      }
      this.#outbox.shift();
      this.#inFlight.set(pending.token, pending);
      this.#inFlightBytes += pending.message.size;
      const now = performance.now();
      pending.resendBy = now + this.#options.resendForMs;
      this.#transmit(pending, now);
    }
    this.#busy = false;
    if (this.#outbox.size === 0) return;
    this.#alarm.set(this.#hold.active ? this.#hold.until : this.#outboxCheckAt());
  }

  #transmit(pending: Pending, now: number): void {
    pending.attempts++;
    pending.waiting = false;
    pending.dueAt = now + this.#options.ackTimeoutMs;
    this.#alarm.set(pending.dueAt);
    try {
      this.#outlet.send(pending.message, pending.token);
    } catch (error) {
      // When the connection has ended, `end` follows and rejects everything.
      if (isDocktorError(error, "CONNECTION_CLOSED")) this.suspend();
      else this.#fail(pending, error as DocktorError);
    }
  }

  #resend(pending: Pending, now: number): void {
    if (now < pending.resendBy) this.#transmit(pending, now);
    else this.#fail(pending, timeoutError(this.#options.stream, pending));
  }

  /** The stream takes no messages at the moment. */
  #wait(pending: Pending, reason: string): void {
    pending.reason = reason;
    pending.waiting = true;
    this.#hold.begin(performance.now());
    this.#alarm.set(this.#hold.until);
  }

  /**
   * Asks the stream with one message: were all sent and the leader came back in between,
   * the later ones would be stored before the earlier.
   */
  #ask(pending: Pending, now: number): void {
    this.#hold.ask(now, this.#options.ackTimeoutMs);
    this.#transmit(pending, now);
  }

  /** The stream decided on a message, so it has a leader. */
  #decided(): void {
    this.#progressAt = performance.now();
    const held = this.#hold.active;
    this.#hold.end();
    if (!held) return;
    this.#sweep((now) => {
      for (const pending of this.#inFlight.values()) {
        if (pending.waiting) this.#resend(pending, now);
      }
    });
  }

  #stored(pending: Pending, reply: Extract<Reply, { kind: "stored" }>): void {
    this.#decided();
    const { stream, sequence } = reply;
    if (stream !== this.#options.stream) {
      this.#fail(pending, wrongStreamError(this.#options.stream, pending, stream));
      return;
    }
    const { partition, idGiven } = pending.message;
    // An id that was generated is known to this message's own attempts only.
    pending.resolve({ stream, sequence, partition, duplicate: reply.duplicate && idGiven });
    this.#settle(pending);
  }

  #fail(pending: Pending, error: DocktorError): void {
    pending.reject(error);
    this.#settle(pending);
  }

  #settle(pending: Pending): void {
    this.#inFlight.delete(pending.token);
    this.#inFlightBytes -= pending.message.size;
    this.#outbox.settled(pending);
    this.#forget(pending);
    this.#pump();
  }

  #forget(pending: Pending): void {
    this.#tally.leave(pending);
    if (this.#tally.messages === 0) this.#alarm.clear();
  }

  /** Looks for what is overdue. */
  #check(): void {
    this.#sweep((now) => {
      if (now >= this.#endBy) {
        this.#rejectAll((pending) => timeoutError(this.#options.stream, pending));
        return;
      }
      if (!this.#suspended && !this.#outlet.isUp()) this.#suspended = true;
      let ask = !this.#suspended && this.#hold.isOver(now);
      for (const pending of this.#inFlight.values()) {
        if (this.#suspended || pending.waiting) {
          if (now >= pending.resendBy) {
            this.#fail(pending, timeoutError(this.#options.stream, pending));
          } else if (ask) {
            ask = false;
            this.#ask(pending, now);
          }
        } else if (now >= pending.dueAt) {
          this.#resend(pending, now);
        }
      }
      // Nothing is left to ask with.
      if (ask) this.#hold.end();
      // As long as the server decides on messages, those behind them will have their turn.
      const longAgo = now - this.#options.retryForMs;
      if (this.#progressAt <= longAgo) {
        this.#drop(this.#outbox.takeUntil(longAgo), (pending) =>
          timeoutError(this.#options.stream, pending),
        );
      }
    });
  }

  /** Goes through the messages without sending new ones in between. */
  #sweep(visit: (now: number) => void): void {
    this.#busy = true;
    visit(performance.now());
    this.#busy = false;
    this.#pump();
    this.#setAlarm();
  }

  #rejectAll(errorFor: (pending: Pending) => DocktorError): void {
    this.#drop(this.#outbox.takeUntil(Number.POSITIVE_INFINITY), errorFor);
    const sent = [...this.#inFlight.values()];
    this.#inFlight.clear();
    this.#inFlightBytes = 0;
    this.#drop(sent, errorFor);
  }

  #drop(dropped: Pending[], errorFor: (pending: Pending) => DocktorError): void {
    for (const pending of dropped) {
      pending.reject(errorFor(pending));
      this.#forget(pending);
    }
  }

  #outboxCheckAt(): number {
    const soon = performance.now() + OUTBOX_CHECK_MS;
    return Math.max(soon, this.#progressAt + this.#options.retryForMs);
  }

  /** Sets the alarm to the next moment at which something can be overdue. */
  #setAlarm(): void {
    this.#alarm.clear();
    if (this.#tally.messages === 0) return;
    let next = this.#endBy;
    if (this.#outbox.size > 0) next = Math.min(next, this.#outboxCheckAt());
    if (this.#hold.active) next = Math.min(next, this.#hold.until);
    for (const { waiting, dueAt, resendBy } of this.#inFlight.values()) {
      next = Math.min(next, this.#suspended || waiting ? resendBy : dueAt);
    }
    this.#alarm.set(next);
  }
}
