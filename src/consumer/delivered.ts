/** A message as a durable has delivered it. */
import type { Msg } from "@nats-io/transport-node";

const ACK = new TextEncoder().encode("+ACK");

/** One delivery of a message. */
export class Delivered {
  /** The message's sequence in the stream. */
  readonly seq: number;
  /** How many messages the durable had delivered with it. */
  readonly deliverySequence: number;
  /** How many more there were for the durable. */
  readonly pending: number;
  readonly raw: Msg;

  constructor(raw: Msg, seq: number, deliverySequence: number, pending: number) {
    this.raw = raw;
    this.seq = seq;
    this.deliverySequence = deliverySequence;
    this.pending = pending;
  }

  /** When the server stored it. */
  get timestamp(): Date {
    return new Date(timestampIn(this.raw.reply ?? "") / 1e6);
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
  /** Where the first of the numbers begins; unknown before the first message. */
  #start = 0;

  read(raw: Msg): Delivered {
    const reply = raw.reply ?? "";
    if (this.#start === 0) this.#start = startOfNumbers(reply);
    let at = reply.indexOf(".", this.#start) + 1;
    const next = (): number => {
      let value = 0;
      for (; at < reply.length; at++) {
        const digit = reply.charCodeAt(at) - 48;
        if (digit < 0) break;
        value = value * 10 + digit;
      }
      at++;
      return value;
    };
    const [seq, deliverySequence] = [next(), next()];
    at = reply.indexOf(".", at) + 1;
    return new Delivered(raw, seq, deliverySequence, next());
  }
}

function startOfNumbers(reply: string): number {
  const tokens = reply.split(".");
  return tokens.slice(0, tokensBefore(tokens)).join(".").length + 1;
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
