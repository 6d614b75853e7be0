/** A message as a handler sees it. */
import type { MessageHeaders } from "../nats/headers.ts";
import type { Delivered, Source } from "./delivery/delivered.ts";
import type { DeadLetter } from "./dead-letters/dead-letter.ts";

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
    return new Message(delivered, partition, delivered.sequence);
  }

  /** A dead letter in the place of the message that asked for it. @internal */
  static replayed({ sequence }: Delivered, partition: number, letter: DeadLetter): Message {
    const { key, headers, data, origin } = letter;
    const { subject, timestamp } = origin;
    return new Message({ key, headers, data, subject, timestamp }, partition, sequence);
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
