/** From a message to its outcome: the handler's calls, its failures, and what the poison policy says. */
import type { Clock } from "../../clock.ts";
import { DocktorError, messageOf, toDocktorError } from "../../errors.ts";
import type { Lease } from "../../lease/lease.ts";
import { attempt, type Attempted } from "./attempts.ts";
import type { Delivered } from "../delivery/delivered.ts";
import type { Message } from "../message.ts";
import type { PoisonOfPartition } from "../dead-letters/poison.ts";

/**
 * What became of messages. `ended`: the partition was given up before they were handled. `split`: one
 * of them cannot be handled; alone, each shows which.
 */
export type Outcome = "handled" | "ended" | "split";

/** Calls the user's handler. */
export type Call = () => Promise<void> | void;

/** The longest error text that is kept with a message's count, in characters. */
const LONGEST_ERROR = 300;

/** What handling needs. */
export interface HandlingOptions {
  clock: Clock;
  lease: Lease;
  poison: PoisonOfPartition;
  /** Whether the handler may be called for the message of that sequence at this moment. */
  mayStart: (sequence: number) => boolean;
  /** Aborts when no further attempt is to be made, but for messages that are owed. */
  ended: AbortSignal;
  /** Whether later messages are handled that could not be committed without the one of that sequence. */
  owed: (sequence: number) => boolean;
  /** The lease's troubles have changed: they are to be written soon. */
  onTrouble: () => void;
  onError: (error: DocktorError) => void;
}

/** Handles one partition's messages. */
export class Handling {
  readonly #options: HandlingOptions;

  constructor(options: HandlingOptions) {
    this.#options = options;
  }

  /**
   * The message to handle, which may be a dead letter that the one that came stands for; undefined
   * when there is none, and `"ended"` when that could not be found out.
   */
  async read(delivered: Delivered): Promise<Message | undefined | "ended"> {
    const { poison } = this.#options;
    let message: Message | undefined;
    const outcome = await this.#persist(delivered.sequence, async () => {
      message = await poison.read(delivered);
    });
    return outcome === "ended" ? "ended" : message;
  }

  /** Calls the handler until the messages are handled, or set aside. */
  handle(messages: readonly Message[], call: Call): Outcome | Promise<Outcome> {
    const { poison, lease, mayStart } = this.#options;
    const [first] = messages;
    if (first === undefined) return "handled";
    if (poison.parks || poison.isReplay(first) || lease.checkpoint.troubles.size > 0) {
      return this.#handle(first, messages, call);
    }
    // As a rule one call is all there is to it, and no more promises are made than the handler's own.
    if (!mayStart(first.sequence)) return "ended";
    const called = outcomeOf(call);
    if (called === undefined) return "handled";
    return called.then(
      () => "handled",
      () => this.#handle(first, messages, call, called),
    );
  }

  async #handle(
    first: Message,
    messages: readonly Message[],
    call: Call,
    begun?: Promise<void>,
  ): Promise<Outcome> {
    const { poison } = this.#options;
    const alone = messages.length === 1;
    if (alone && poison.parks) {
      let passed = false;
      const asked = await this.#persist(first.sequence, async () => {
        passed = await poison.passesBy(first);
      });
      if (asked === "ended") return "ended";
      if (passed) return "handled";
    }
    const attempted = await this.#attempt(first, messages, call, begun);
    if (attempted === "ended") return "ended";
    if (attempted === "succeeded") return await this.#done(messages);
    return alone ? await this.setAside(first, "failed") : "split";
  }

  /** Sets a message aside, and counts it as handled. */
  async setAside(message: Message, reason: "failed" | "stalled"): Promise<"handled" | "ended"> {
    const { poison, lease } = this.#options;
    const { failures = 0, error = "" } = lease.checkpoint.troubles.get(message.sequence) ?? {};
    const stored = await this.#persist(message.sequence, () =>
      poison.setAside(message, { reason, attempts: failures, error }),
    );
    return stored === "ended" ? "ended" : "handled";
  }

  /** Calls the handler until it succeeds or has failed too often, counted across owners. */
  async #attempt(
    first: Message,
    messages: readonly Message[],
    call: Call,
    begun: Promise<void> | undefined,
  ): Promise<Attempted> {
    const { clock, lease, poison, mayStart, ended, owed, onTrouble } = this.#options;
    const { sequence } = first;
    const { troubles } = lease.checkpoint;
    // What is set aside is one message: a failure of many is held against none of them.
    const split = messages.length > 1 && poison.maxAttempts !== Infinity;
    return await attempt({
      clock,
      mayStart: () => mayStart(sequence),
      ended,
      owed: () => owed(sequence),
      lost: lease.lost,
      ...(begun === undefined ? {} : { begun }),
      first: split ? 1 : 1 + (troubles.get(sequence)?.failures ?? 0),
      last: split ? 1 : poison.maxAttempts,
      call: (number) => {
        for (const message of messages) message.attempt = number;
        return call();
      },
      onFailure: (error, number, pauseMs) => {
        if (!split) {
          const text = messageOf(error).slice(0, LONGEST_ERROR);
          troubles.set(sequence, { ...troubles.get(sequence), failures: number, error: text });
          onTrouble();
        }
        const next = split ? "its messages are tried in parts" : "it is set aside";
        const then = pauseMs === undefined ? next : `it is tried again in ${pauseMs} ms`;
        this.#options.onError(handlerFailed(first, number, error, then));
      },
    });
  }

  async #done(messages: readonly Message[]): Promise<Outcome> {
    const { poison } = this.#options;
    for (const message of messages) {
      if (!poison.isReplay(message)) continue;
      const removed = await this.#persist(message.sequence, () => poison.handled(message));
      if (removed === "ended") return "ended";
    }
    return "handled";
  }

  /** Takes a step that needs NATS, again and again until it is answered. */
  async #persist(sequence: number, step: () => Promise<void>): Promise<Attempted> {
    const { clock, lease, mayStart, ended, owed, onError } = this.#options;
    return await attempt({
      clock,
      mayStart: () => mayStart(sequence),
      ended,
      owed: () => owed(sequence),
      lost: lease.lost,
      call: step,
      onFailure: (error) => onError(toDocktorError(error)),
    });
  }
}

/** The promise of a call; undefined when it has succeeded already. */
function outcomeOf(call: Call): Promise<void> | undefined {
  try {
    const called = call();
    return typeof called?.then === "function" ? Promise.resolve(called) : undefined;
  } catch (error) {
    return Promise.reject(error);
  }
}

function handlerFailed(
  { partition, sequence }: Message,
  number: number,
  error: unknown,
  then: string,
): DocktorError {
  return new DocktorError(
    "HANDLER_FAILED",
    `the handler failed on partition ${partition}, sequence ${sequence} (attempt ${number}): ${messageOf(error)}; ${then}`,
    { cause: error },
  );
}
