/** A message as a handler sees it. */
import type { JsMsg } from "@nats-io/jetstream";
import type { MessageHeaders } from "../nats/headers.ts";
import { KEY_HEADER } from "../partition/names.ts";

/** One message of a partition. */
export class Message {
  /** The partition it belongs to. */
  readonly partition: number;
  /** Its sequence in the stream; grows within a partition. */
  readonly sequence: number;
  /** How often its handler has been called, this call included; 1 at first. */
  attempt = 1;
  readonly #raw: JsMsg;

  /** @internal */
  constructor(raw: JsMsg, partition: number) {
    this.#raw = raw;
    this.partition = partition;
    this.sequence = raw.seq;
  }

  /** The key it was published with; undefined if it has none. */
  get key(): string | undefined {
    const headers = this.#raw.headers;
    return headers?.has(KEY_HEADER) ? headers.get(KEY_HEADER) : undefined;
  }

  /** The subject it is stored under. */
  get subject(): string {
    return this.#raw.subject;
  }

  /** When the server stored it. */
  get timestamp(): Date {
    return new Date(this.#raw.info.timestampNanos / 1e6);
  }

  /** Its headers, without the key; undefined if it has none. */
  get headers(): MessageHeaders | undefined {
    const raw = this.#raw.headers;
    if (raw === undefined) return undefined;
    const headers: Record<string, string | readonly string[]> = {};
    for (const name of raw.keys()) {
      if (name === KEY_HEADER) continue;
      const values = raw.values(name);
      headers[name] = values.length === 1 ? (values[0] ?? "") : values;
    }
    return Object.keys(headers).length === 0 ? undefined : headers;
  }

  /** Its payload. */
  get data(): Uint8Array {
    return this.#raw.data;
  }

  /**
   * The payload parsed as JSON.
   *
   * @throws SyntaxError when it is not JSON
   */
  json<T = unknown>(): T {
    return this.#raw.json<T>();
  }

  /** The payload as UTF-8 text. */
  string(): string {
    return this.#raw.string();
  }
}
