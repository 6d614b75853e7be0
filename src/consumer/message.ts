/** A message as a handler sees it. */
import { headersOf, type MessageHeaders, plainHeaders } from "../nats/headers.ts";
import { KEY_HEADER } from "../partition/names.ts";
import type { Delivered } from "./delivered.ts";
import type { DeadLetter } from "./dead-letter.ts";

/** Where a message's fields come from. */
interface Source {
  readonly key: string | undefined;
  readonly subject: string;
  readonly timestamp: Date;
  readonly headers: MessageHeaders | undefined;
  readonly data: Uint8Array;
}

/** One message of a partition. */
export class Message {
  /** The partition it belongs to. */
  readonly partition: number;
  /** Its sequence in the stream; grows within a partition. A replayed dead letter has a new one. */
  readonly sequence: number;
  /**
   * 1 at first, and one more after each failure, those at other members included. A call that was cut
   * short, as by a crash or a hand-over, does not count. A replayed dead letter begins at 1.
   */
  attempt = 1;
  readonly #source: Source;

  private constructor(source: Source, partition: number, sequence: number) {
    this.#source = source;
    this.partition = partition;
    this.sequence = sequence;
  }

  /** @internal */
  static from(delivered: Delivered, partition: number): Message {
    return new Message(new DeliveredSource(delivered), partition, delivered.seq);
  }

  /** A dead letter in the place of the message that asked for it. @internal */
  static replayed({ seq }: Delivered, partition: number, letter: DeadLetter): Message {
    const { key, headers, data, origin } = letter;
    const { subject, timestamp } = origin;
    return new Message({ key, headers, data, subject, timestamp }, partition, seq);
  }

  /** The key it was published with; undefined if it has none. */
  get key(): string | undefined {
    return this.#source.key;
  }

  /** The subject it is stored under. */
  get subject(): string {
    return this.#source.subject;
  }

  /** When the server stored it. */
  get timestamp(): Date {
    return this.#source.timestamp;
  }

  /** Its headers, without the key; undefined if it has none, or none that can be read. */
  get headers(): MessageHeaders | undefined {
    return this.#source.headers;
  }

  /** Its payload. */
  get data(): Uint8Array {
    return this.#source.data;
  }

  /**
   * The payload parsed as JSON.
   *
   * @throws SyntaxError when it is not JSON
   */
  json<T = unknown>(): T {
    return JSON.parse(this.string()) as T;
  }

  /** The payload as UTF-8 text. */
  string(): string {
    return decoder.decode(this.data);
  }
}

const decoder = new TextDecoder();

/** Reads a field when it is asked for: most handlers want few of them. */
class DeliveredSource implements Source {
  readonly #delivered: Delivered;

  constructor(delivered: Delivered) {
    this.#delivered = delivered;
  }

  get key(): string | undefined {
    const headers = headersOf(this.#delivered.raw);
    return headers?.has(KEY_HEADER) ? headers.get(KEY_HEADER) : undefined;
  }

  get subject(): string {
    return this.#delivered.raw.subject;
  }

  get timestamp(): Date {
    return this.#delivered.timestamp;
  }

  get headers(): MessageHeaders | undefined {
    const raw = headersOf(this.#delivered.raw);
    if (raw === undefined) return undefined;
    const { [KEY_HEADER]: _key, ...headers } = plainHeaders(raw);
    return Object.keys(headers).length === 0 ? undefined : headers;
  }

  get data(): Uint8Array {
    return this.#delivered.raw.data;
  }
}
