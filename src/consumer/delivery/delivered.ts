/** A message as a durable has delivered it. */
import type { Msg, MsgImpl } from "@nats-io/transport-node";
import { headersOf, type MessageHeaders, plainHeaders } from "../../nats/headers.ts";
import { KEY_HEADER } from "../../partition/names.ts";

const ACK = new TextEncoder().encode("+ACK");

/** Where a message's fields come from. */
export interface Source {
  readonly key: string | undefined;
  readonly subject: string;
  readonly timestamp: Date;
  readonly headers: MessageHeaders | undefined;
  readonly data: Uint8Array;
}

/** One delivery of a message. Its fields are read when they are asked for: most handlers want few of them. */
export class Delivered implements Source {
  /** The message's sequence in the stream. */
  readonly sequence: number;
  /** How many messages the durable had delivered with it. */
  readonly deliverySequence: number;
  readonly raw: Msg;
  #data: Uint8Array | undefined;

  constructor(raw: Msg, sequence: number, deliverySequence: number) {
    this.raw = raw;
    this.sequence = sequence;
    this.deliverySequence = deliverySequence;
  }

  get key(): string | undefined {
    const headers = headersOf(this.raw);
    return headers?.has(KEY_HEADER) ? headers.get(KEY_HEADER) : undefined;
  }

  get subject(): string {
    return this.raw.subject;
  }

  get timestamp(): Date {
    return new Date(timestampIn(this.raw.reply ?? "") / 1e6);
  }

  get headers(): MessageHeaders | undefined {
    const raw = headersOf(this.raw);
    if (raw === undefined) return undefined;
    const { [KEY_HEADER]: _key, ...headers } = plainHeaders(raw);
    return Object.keys(headers).length === 0 ? undefined : headers;
  }

  get data(): Uint8Array {
    // Each time it is asked, the client makes another view of it.
    this.#data ??= this.raw.data;
    return this.#data;
  }

  /** How many bytes it takes up. */
  get size(): number {
    return sizeOf(this.raw);
  }

  /** Acknowledges it to the server, without waiting. */
  ack(): void {
    this.raw.respond(ACK);
  }
}

/**
 * Reads what the subject for the ack tells of a delivery. All those of one durable begin alike, so the
 * few numbers that matter are read in place; the client takes the whole subject apart for each message.
 *
 * The subject is `$JS.ACK.<stream>.<consumer>.` or `$JS.ACK.<domain>.<account>.<stream>.<consumer>.`,
 * then `<times delivered>.<stream sequence>.<delivery sequence>.<time>.<pending>`, and with a domain a
 * token that is of no meaning (ADR-15 of nats-io/nats-architecture-and-design).
 */
export class DeliveryReader {
  /** Of the message read last: how many more there were for the durable. */
  pending = 0;
  /** Where the first of the numbers begins; unknown before the first message. */
  #start = 0;
  #at = 0;

  read(raw: Msg): Delivered {
    const reply = raw.reply ?? "";
    if (this.#start === 0) this.#start = startOfNumbers(reply);
    this.#at = reply.indexOf(".", this.#start) + 1;
    const sequence = this.#next(reply);
    const deliverySequence = this.#next(reply);
    this.#at = reply.indexOf(".", this.#at) + 1;
    this.pending = this.#next(reply);
    return new Delivered(raw, sequence, deliverySequence);
  }

  #next(reply: string): number {
    let value = 0;
    let at = this.#at;
    for (; at < reply.length; at++) {
      const digit = reply.charCodeAt(at) - ZERO;
      if (digit < 0) break;
      value = value * 10 + digit;
    }
    this.#at = at + 1;
    return value;
  }
}

const ZERO = 48;

function startOfNumbers(reply: string): number {
  const tokens = reply.split(".");
  return tokens.slice(0, tokensBefore(tokens)).join(".").length + 1;
}

/** A message's bytes, as the server counts them for `max_bytes`: its subject, that for its ack, headers and data. */
export function sizeOf(message: Msg): number {
  // The client knows, although its interface does not say so; to take it from the fields is to decode them.
  return (message as MsgImpl).size();
}

/** In nanoseconds since 1970. */
function timestampIn(reply: string): number {
  const tokens = reply.split(".");
  return Number(tokens[tokensBefore(tokens) + 3]);
}

/** How many tokens come before the numbers. */
function tokensBefore(tokens: readonly string[]): number {
  return tokens.length === 9 ? 4 : 6;
}
