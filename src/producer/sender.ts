/**
 * Which messages are sent when.
 *
 * Everything in flight was sent at least once and is sent again, oldest first, when the
 * connection comes back or the stream finds its leader again; until then nothing new is
 * sent, so that a retry is not overtaken by what came in after it.
 */
import { type DocktorError, isDocktorError } from "../errors.ts";
import type { Deadlines, Patience } from "./deadlines.ts";
import { Hold } from "./hold.ts";
import { InFlight } from "./in-flight.ts";
import type { Outgoing, Pending } from "./message.ts";
import type { ProducerSettings } from "./options.ts";
import { createOutbox, type Outbox } from "./outbox.ts";
import { timeoutError } from "./refusal.ts";

/** Where messages are put on the wire. */
export interface Outlet {
  /** Whether there is a connection, as far as the client knows. */
  isUp(): boolean;
  /** Sends; the reply comes back with the token. @throws DocktorError */
  send(message: Outgoing, token: number): void;
}

/** How messages are sent, and sent again. */
export interface SendSettings
  extends Patience,
    Pick<ProducerSettings, "stream" | "order" | "maxInFlight" | "maxInFlightBytes"> {}

/** What a sender works with. */
export interface SenderParts {
  readonly settings: SendSettings;
  readonly outlet: Outlet;
  readonly deadlines: Deadlines;
  /** A message cannot be sent, or not again. */
  readonly fail: (pending: Pending, error: DocktorError) => void;
}

/** Sends a producer's messages, each as often as it takes. */
export class Sender {
  /** The messages that are not sent yet. */
  readonly outbox: Outbox;
  readonly inFlight: InFlight;
  readonly #settings: SendSettings;
  readonly #outlet: Outlet;
  readonly #deadlines: Deadlines;
  readonly #fail: SenderParts["fail"];
  /** The connection is down. */
  #suspended = false;
  /** The stream has no leader. */
  readonly #hold = new Hold();
  /** Something goes through the messages; what that sets free is sent afterwards. */
  #busy = false;
  /** `pump` will run as soon as the running code is done. */
  #pumping = false;

  constructor({ settings, outlet, deadlines, fail }: SenderParts) {
    this.#settings = settings;
    this.#outlet = outlet;
    this.#deadlines = deadlines;
    this.#fail = fail;
    this.outbox = createOutbox(settings.order);
    this.inFlight = new InFlight(settings.maxInFlight, settings.maxInFlightBytes);
  }

  /** Sends a message as soon as that may be. */
  add(pending: Pending): void {
    this.outbox.push(pending);
    this.#pumpSoon();
  }

  /** A message in flight has its outcome; `pump` sends what that sets free. */
  remove(pending: Pending): void {
    this.inFlight.delete(pending);
    this.outbox.settled(pending);
  }

  /** The connection is down: nothing is sent until `resume`. */
  suspend(): void {
    this.#suspended = true;
    this.watch();
  }

  /** There is a new connection: sends everything in flight again, then the rest. */
  resume(): void {
    if (!this.#outlet.isUp()) return;
    this.#suspended = false;
    this.#hold.end();
    this.sweep((now) => {
      for (const pending of this.inFlight) this.#resend(pending, now);
    });
  }

  /** The stream takes no messages at the moment, this one neither. */
  hold(pending: Pending): void {
    pending.waiting = true;
    this.#hold.begin(performance.now());
    this.#deadlines.watchHold(this.#hold.until);
  }

  /** The stream has a leader: sends what it did not take before, then the rest. */
  unhold(): void {
    const held = this.#hold.active;
    this.#hold.end();
    if (!held) return;
    this.sweep((now) => {
      for (const pending of this.inFlight) {
        if (pending.waiting) this.#resend(pending, now);
      }
    });
  }

  /** Sends again what is overdue, and asks a stream that had no leader. */
  retry(now: number): void {
    if (!this.#suspended && !this.#outlet.isUp()) this.#suspended = true;
    let ask = !this.#suspended && this.#hold.isOver(now);
    for (const pending of this.inFlight) {
      if (this.#suspended || pending.waiting) {
        if (now >= pending.resendBy) {
          this.#fail(pending, timeoutError(this.#settings.stream, pending));
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
  }

  /** Goes through the messages without sending new ones in between. */
  sweep(visit: (now: number) => void): void {
    this.#busy = true;
    visit(performance.now());
    this.#busy = false;
    this.pump();
    this.watch();
  }

  /** Sends from the outbox what may be sent. */
  pump(): void {
    if (this.#busy) return;
    this.#busy = true;
    while (!this.#suspended && !this.#hold.active) {
      const pending = this.outbox.next;
      if (pending === undefined || !this.inFlight.fits(pending)) break;
      if (!this.#outlet.isUp()) {
        this.#suspended = true;
        break;
      }
      this.outbox.shift();
      this.inFlight.add(pending);
      this.#transmit(pending, performance.now());
    }
    this.#busy = false;
    if (this.outbox.size === 0) return;
    if (this.#hold.active) this.#deadlines.watchHold(this.#hold.until);
    else this.#deadlines.watchOutbox();
  }

  /** Sets the alarm for what is waited for now. */
  watch(): void {
    this.#deadlines.watch({
      inFlight: this.inFlight,
      suspended: this.#suspended,
      unsent: this.outbox.size,
      askAt: this.#hold.active ? this.#hold.until : undefined,
    });
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
      this.pump();
    });
  }

  #transmit(pending: Pending, now: number): void {
    pending.attempts++;
    pending.waiting = false;
    this.#deadlines.sent(pending, now);
    try {
      this.#outlet.send(pending.message, pending.token);
    } catch (error) {
      // When the connection has ended, `Window.end` follows and rejects everything.
      if (isDocktorError(error, "CONNECTION_CLOSED")) this.suspend();
      else this.#fail(pending, error as DocktorError);
    }
  }

  #resend(pending: Pending, now: number): void {
    if (now < pending.resendBy) this.#transmit(pending, now);
    else this.#fail(pending, timeoutError(this.#settings.stream, pending));
  }

  /**
   * Asks the stream with one message: were all sent and the leader came back in between,
   * the later ones would be stored before the earlier.
   */
  #ask(pending: Pending, now: number): void {
    this.#hold.ask(now, this.#settings.ackTimeoutMs);
    this.#transmit(pending, now);
  }
}
