/** Publishes at a pace: what `publish` and the demo have in common. */
import { setTimeout as sleep } from "node:timers/promises";
import {
  DocktorError,
  isDocktorError,
  type Pacer,
  type Producer,
  type PublishAck,
} from "../index.ts";

/** What to publish, and whom to tell. */
export interface FeedOptions {
  readonly pacer: Pacer;
  /** How many messages; until `signal` aborts if left out. */
  readonly count?: number | undefined;
  /** How many different keys, `key-0` and so on, are used in turn. */
  readonly keys: number;
  readonly payloadBytes: number;
  readonly signal: AbortSignal;
  readonly onStored?: (ack: PublishAck) => void;
  /** The first failure. */
  readonly onFailure: (error: DocktorError) => void;
}

/** After so many messages a pause, so that Ctrl-C is heard even where nothing has to be waited for. */
const BREATHE_EVERY = 4_096;

/** A run of messages. */
export class Feed {
  /** Messages that the stream has stored. */
  published = 0;
  /** Messages that it has not, or perhaps not. */
  failed = 0;
  readonly #producer: Producer;
  readonly #options: FeedOptions;
  #hopeless = false;

  constructor(producer: Producer, options: FeedOptions) {
    this.#producer = producer;
    this.#options = options;
  }

  /** Publishes all of them; resolves once each is stored or has failed. */
  async run(): Promise<void> {
    const { count = Number.POSITIVE_INFINITY, pacer, signal } = this.#options;
    const startedAt = performance.now();
    const elapsed = (): number => performance.now() - startedAt;
    const goesOn = (): boolean => !signal.aborted && !this.#hopeless;
    const payload = new Uint8Array(this.#options.payloadBytes).fill(0x2e);
    let sent = 0;
    try {
      while (sent < count && goesOn()) {
        const due = Math.min(count, pacer.dueBy(elapsed()));
        for (; sent < due && goesOn(); sent++) await this.#publish(sent, payload);
        const pauseMs = pacer.dueAt(sent + 1) - elapsed();
        if (sent < count && pauseMs > 0) await sleep(pauseMs, undefined, { signal });
      }
    } catch (error) {
      if (!signal.aborted) throw error;
    } finally {
      await this.#producer.flush();
    }
  }

  async #publish(index: number, payload: Uint8Array): Promise<void> {
    await this.#producer.ready();
    if (index % BREATHE_EVERY === 0) await new Promise((resolve) => setImmediate(resolve));
    this.#producer
      .publish(`key-${index % this.#options.keys}`, payload)
      .then(this.#stored, this.#refused);
  }

  readonly #stored = (ack: PublishAck): void => {
    this.published++;
    this.#options.onStored?.(ack);
  };

  readonly #refused = (error: unknown): void => {
    this.failed++;
    const known = isDocktorError(error)
      ? error
      : new DocktorError("UNEXPECTED", String(error), { cause: error });
    if (this.failed === 1) this.#options.onFailure(known);
    // Without an end in sight, one that no repetition mends is the end.
    if (this.#options.count === undefined && !known.retriable) this.#hopeless = true;
  };
}
