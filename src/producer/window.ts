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
import { type Backlog, createBacklog } from "./backlog.ts";
import { Hold } from "./hold.ts";
import { type Entry, mayBeStored, type Outgoing, type PublishAck } from "./message.ts";
import type { ResolvedOptions } from "./options.ts";
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
    ResolvedOptions,
    "stream" | "order" | "maxInFlight" | "maxInFlightBytes" | "ackTimeoutMs" | "retryForMs"
  > {
  /** For how long after its first attempt the stream surely recognises another one. */
  readonly resendForMs: number;
}

const BACKLOG_CHECK_MS = 250;

/** The messages of one producer between `publish` and their outcome. */
export class Window {
  readonly #options: WindowOptions;
  readonly #outlet: Outlet;
  readonly #backlog: Backlog;
  readonly #tally: Tally;
  readonly #alarm: Alarm = new Alarm(() => this.#check());
  /** In the order of their first sending, which `Map` keeps. */
  readonly #inFlight = new Map<number, Entry>();
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
    this.#backlog = createBacklog(options.order);
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
      this.#backlog.push({
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
    const entry = this.#inFlight.get(token);
    // Another attempt was answered before, or it was given up.
    if (entry === undefined) return;
    if (reply.kind === "stored") {
      this.#stored(entry, reply);
      return;
    }
    entry.refusals++;
    if (reply.kind === "nobody") {
      this.#wait(entry, "no stream takes its subject: it was deleted, or it has no leader");
    } else if (isFinal(reply.error)) {
      this.#decided();
      this.#fail(entry, refusalError(this.#options.stream, entry, reply.error));
    } else {
      this.#wait(entry, `${reply.error.description} (error ${reply.error.code})`);
    }
  }

  /** The server forbids publishing to a subject. */
  forbid(subject: string, error: DocktorError): void {
    this.#sweep(() => {
      for (const entry of this.#inFlight.values()) {
        if (entry.message.subject === subject) this.#fail(entry, error);
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
      for (const entry of this.#inFlight.values()) this.#resend(entry, now);
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
    this.#rejectAll((entry) => (mayBeStored(entry) ? unsure : unsent));
  }

  #fits({ message }: Entry): boolean {
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

  /** Sends of the backlog what may be sent. */
  #pump(): void {
    if (this.#busy) return;
    this.#busy = true;
    while (!this.#suspended && !this.#hold.active) {
      const entry = this.#backlog.next;
      if (entry === undefined || !this.#fits(entry)) break;
      if (!this.#outlet.isUp()) {
        this.#suspended = true;
        break;
      }
      this.#backlog.shift();
      this.#inFlight.set(entry.token, entry);
      this.#inFlightBytes += entry.message.size;
      const now = performance.now();
      entry.resendBy = now + this.#options.resendForMs;
      this.#transmit(entry, now);
    }
    this.#busy = false;
    if (this.#backlog.size === 0) return;
    this.#alarm.set(this.#hold.active ? this.#hold.until : this.#backlogCheckAt());
  }

  #transmit(entry: Entry, now: number): void {
    entry.attempts++;
    entry.waiting = false;
    entry.dueAt = now + this.#options.ackTimeoutMs;
    this.#alarm.set(entry.dueAt);
    try {
      this.#outlet.send(entry.message, entry.token);
    } catch (error) {
      // When the connection has ended, `end` follows and rejects everything.
      if (isDocktorError(error, "CONNECTION_CLOSED")) this.suspend();
      else this.#fail(entry, error as DocktorError);
    }
  }

  #resend(entry: Entry, now: number): void {
    if (now < entry.resendBy) this.#transmit(entry, now);
    else this.#fail(entry, timeoutError(this.#options.stream, entry));
  }

  /** The stream takes no messages at the moment. */
  #wait(entry: Entry, reason: string): void {
    entry.reason = reason;
    entry.waiting = true;
    this.#hold.begin(performance.now());
    this.#alarm.set(this.#hold.until);
  }

  /**
   * Asks the stream with one message: were all sent and the leader came back in between,
   * the later ones would be stored before the earlier.
   */
  #ask(entry: Entry, now: number): void {
    this.#hold.ask(now, this.#options.ackTimeoutMs);
    this.#transmit(entry, now);
  }

  /** The stream decided on a message, so it has a leader. */
  #decided(): void {
    this.#progressAt = performance.now();
    const held = this.#hold.active;
    this.#hold.end();
    if (!held) return;
    this.#sweep((now) => {
      for (const entry of this.#inFlight.values()) {
        if (entry.waiting) this.#resend(entry, now);
      }
    });
  }

  #stored(entry: Entry, reply: Extract<Reply, { kind: "stored" }>): void {
    this.#decided();
    const { stream, sequence } = reply;
    if (stream !== this.#options.stream) {
      this.#fail(entry, wrongStreamError(this.#options.stream, entry, stream));
      return;
    }
    const { partition, idGiven } = entry.message;
    // An id that was generated is known to this message's own attempts only.
    entry.resolve({ stream, sequence, partition, duplicate: reply.duplicate && idGiven });
    this.#settle(entry);
  }

  #fail(entry: Entry, error: DocktorError): void {
    entry.reject(error);
    this.#settle(entry);
  }

  #settle(entry: Entry): void {
    this.#inFlight.delete(entry.token);
    this.#inFlightBytes -= entry.message.size;
    this.#backlog.settled(entry);
    this.#forget(entry);
    this.#pump();
  }

  #forget(entry: Entry): void {
    this.#tally.leave(entry);
    if (this.#tally.messages === 0) this.#alarm.clear();
  }

  /** Looks for what is overdue. */
  #check(): void {
    this.#sweep((now) => {
      if (now >= this.#endBy) {
        this.#rejectAll((entry) => timeoutError(this.#options.stream, entry));
        return;
      }
      if (!this.#suspended && !this.#outlet.isUp()) this.#suspended = true;
      let ask = !this.#suspended && this.#hold.isOver(now);
      for (const entry of this.#inFlight.values()) {
        if (this.#suspended || entry.waiting) {
          if (now >= entry.resendBy) {
            this.#fail(entry, timeoutError(this.#options.stream, entry));
          } else if (ask) {
            ask = false;
            this.#ask(entry, now);
          }
        } else if (now >= entry.dueAt) {
          this.#resend(entry, now);
        }
      }
      // Nothing is left to ask with.
      if (ask) this.#hold.end();
      // As long as the server decides on messages, those behind them will have their turn.
      const longAgo = now - this.#options.retryForMs;
      if (this.#progressAt <= longAgo) {
        this.#drop(this.#backlog.takeUntil(longAgo), (entry) =>
          timeoutError(this.#options.stream, entry),
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

  #rejectAll(errorFor: (entry: Entry) => DocktorError): void {
    this.#drop(this.#backlog.takeUntil(Number.POSITIVE_INFINITY), errorFor);
    const sent = [...this.#inFlight.values()];
    this.#inFlight.clear();
    this.#inFlightBytes = 0;
    this.#drop(sent, errorFor);
  }

  #drop(entries: Entry[], errorFor: (entry: Entry) => DocktorError): void {
    for (const entry of entries) {
      entry.reject(errorFor(entry));
      this.#forget(entry);
    }
  }

  #backlogCheckAt(): number {
    const soon = performance.now() + BACKLOG_CHECK_MS;
    return Math.max(soon, this.#progressAt + this.#options.retryForMs);
  }

  /** Sets the alarm to the next moment at which something can be overdue. */
  #setAlarm(): void {
    this.#alarm.clear();
    if (this.#tally.messages === 0) return;
    let next = this.#endBy;
    if (this.#backlog.size > 0) next = Math.min(next, this.#backlogCheckAt());
    if (this.#hold.active) next = Math.min(next, this.#hold.until);
    for (const { waiting, dueAt, resendBy } of this.#inFlight.values()) {
      next = Math.min(next, this.#suspended || waiting ? resendBy : dueAt);
    }
    this.#alarm.set(next);
  }
}
