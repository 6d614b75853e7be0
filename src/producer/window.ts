/** The messages between `publish` and their outcome, and what each reply means for them. */
import type { DocktorError } from "../errors.ts";
import { Deadlines } from "./deadlines.ts";
import { mayBeStored, type Outgoing, type Pending } from "./message.ts";
import { endedError, isFinal, refusalError, timeoutError, wrongStreamError } from "./refusal.ts";
import { type Outlet, Sender, type SendSettings } from "./sender.ts";
import { Tally } from "./tally.ts";
import type { Reply } from "./wire.ts";

/** The messages of one producer between `publish` and their outcome. */
export class Window {
  readonly #stream: string;
  readonly #tally: Tally;
  readonly #deadlines: Deadlines;
  readonly #sender: Sender;
  #ended: DocktorError | undefined;

  constructor(settings: SendSettings, outlet: Outlet) {
    this.#stream = settings.stream;
    this.#tally = new Tally(settings.maxInFlight, settings.maxInFlightBytes);
    this.#deadlines = new Deadlines(settings, () => this.#check());
    this.#sender = new Sender({
      settings,
      outlet,
      deadlines: this.#deadlines,
      fail: (pending, error) => this.#fail(pending, error),
    });
  }

  /** Messages accepted whose outcome is open. */
  get pending(): number {
    return this.#tally.messages;
  }

  /** Those of them that were sent. */
  get inFlight(): number {
    return this.#sender.inFlight.size;
  }

  /** The bytes, headers and data, of those that were sent. */
  get inFlightBytes(): number {
    return this.#sender.inFlight.bytes;
  }

  /** Accepts a message, and tells once what became of it. */
  take(message: Outgoing, resolve: Pending["resolve"], reject: Pending["reject"]): void {
    if (this.#ended !== undefined) return reject(this.#ended);
    const queuedAt = performance.now();
    if (this.#tally.messages === 0) this.#deadlines.progress(queuedAt);
    this.#sender.add({
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
  }

  /** Whether another message would be sent at once. */
  get hasRoom(): boolean {
    return this.#tally.hasRoom;
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
    const pending = this.#sender.inFlight.get(token);
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
      this.#decided(pending);
      this.#fail(pending, refusalError(this.#stream, pending, reply.error));
    } else {
      this.#wait(pending, `${reply.error.description} (error ${reply.error.code})`);
    }
  }

  /** The server forbids publishing to a subject. */
  forbid(subject: string, error: DocktorError): void {
    this.#sender.sweep(() => {
      for (const pending of this.#sender.inFlight) {
        if (pending.message.subject === subject) this.#fail(pending, error);
      }
    });
  }

  /** The connection is down: nothing is sent until `resume`. */
  suspend(): void {
    this.#sender.suspend();
  }

  /** There is a new connection: sends everything in flight again, then the rest. */
  resume(): void {
    this.#sender.resume();
  }

  /** Gives up what has no outcome in `ms` from now. */
  endWithin(ms: number): void {
    this.#deadlines.endWithin(ms);
    this.#sender.watch();
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

  /** The stream takes no messages at the moment. */
  #wait(pending: Pending, reason: string): void {
    pending.reason = reason;
    this.#sender.hold(pending);
  }

  /** The stream decided on a message, so it has a leader. */
  #decided(pending: Pending): void {
    // An earlier attempt of it was refused; this one needs no other.
    pending.waiting = false;
    this.#deadlines.progress(performance.now());
    this.#sender.unhold();
  }

  #stored(pending: Pending, reply: Extract<Reply, { kind: "stored" }>): void {
    this.#decided(pending);
    const { stream, sequence } = reply;
    if (stream !== this.#stream) {
      this.#fail(pending, wrongStreamError(this.#stream, pending, stream));
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
    this.#sender.remove(pending);
    this.#forget(pending);
    this.#sender.pump();
  }

  #forget(pending: Pending): void {
    this.#tally.leave(pending);
    if (this.#tally.messages === 0) this.#deadlines.clear();
  }

  /** Looks for what is overdue. */
  #check(): void {
    const errorFor = (pending: Pending): DocktorError => timeoutError(this.#stream, pending);
    this.#sender.sweep((now) => {
      if (this.#deadlines.isEnd(now)) {
        this.#rejectAll(errorFor);
        return;
      }
      this.#sender.retry(now);
      const longAgo = this.#deadlines.unsentSince(now);
      if (longAgo !== undefined) this.#drop(this.#sender.outbox.takeUntil(longAgo), errorFor);
    });
  }

  #rejectAll(errorFor: (pending: Pending) => DocktorError): void {
    const { outbox, inFlight } = this.#sender;
    this.#drop(outbox.takeUntil(Number.POSITIVE_INFINITY), errorFor);
    this.#drop(inFlight.takeAll(), errorFor);
  }

  #drop(dropped: Pending[], errorFor: (pending: Pending) => DocktorError): void {
    for (const pending of dropped) {
      pending.reject(errorFor(pending));
      this.#forget(pending);
    }
  }
}
