/** Publishing in the background, and where everything was stored. */
import { setTimeout as sleep } from "node:timers/promises";
import { createPacer } from "../../src/producer/pacer.ts";
import { Producer } from "../../src/producer/producer.ts";
import type { PublishedMessage } from "../../src/record/oracle.ts";
import { closeAfterTest, STREAM, SUBJECT } from "./group.ts";

/** What to publish. */
export interface LoadOptions {
  partitions: number;
  keys: number;
  /** Messages per second; without it, at full speed. */
  rate?: number;
}

/** A producer that publishes until it is told to stop. */
export class Load {
  /** Where each message was stored, and when its ack was here; Unix milliseconds. */
  readonly published: (PublishedMessage & { readonly storedAt: number })[] = [];
  readonly #producer: Producer;
  readonly #options: LoadOptions;
  readonly #stop = new AbortController();
  #running: Promise<void> | undefined;
  #rate: number;

  private constructor(producer: Producer, options: LoadOptions) {
    this.#producer = producer;
    this.#options = options;
    this.#rate = options.rate ?? 0;
  }

  static async connect(url: string, options: LoadOptions): Promise<Load> {
    const producer = await Producer.connect({
      servers: url,
      stream: STREAM,
      subject: SUBJECT,
      partitions: options.partitions,
      ensureStream: true,
    });
    const load = new Load(producer, options);
    closeAfterTest(() => load.end());
    return load;
  }

  /** Publishes so many messages and waits for their acks. */
  async publish(count: number): Promise<void> {
    const from = this.published.length;
    for (let i = from; i < from + count; i++) await this.#publish(i);
    await this.#producer.flush();
  }

  /** Publishes at the given rate until {@link end}. */
  start(): void {
    this.#running = this.#run();
  }

  /** Publishes at another rate for a while. */
  async burst({ rate, forMs }: { rate: number; forMs: number }): Promise<void> {
    const steady = this.#rate;
    this.#rate = rate;
    await sleep(forMs);
    this.#rate = steady;
  }

  /** Stops, and resolves once everything published is stored. */
  async end(): Promise<void> {
    this.#stop.abort();
    await this.#running;
    await this.#producer.close();
  }

  async #run(): Promise<void> {
    let sent = this.published.length;
    while (!this.#stop.signal.aborted) sent = await this.#publishSteadily(sent);
  }

  /** At one rate, until it changes; returns how many were sent so far. */
  async #publishSteadily(from: number): Promise<number> {
    const rate = this.#rate;
    const pacer = createPacer({ rate });
    const startedAt = performance.now();
    let sent = 0;
    for (; !this.#stop.signal.aborted && rate === this.#rate; sent++) {
      const pauseMs = pacer.dueAt(sent + 1) - (performance.now() - startedAt);
      if (pauseMs > 0) await sleep(pauseMs);
      await this.#publish(from + sent);
    }
    return from + sent;
  }

  async #publish(index: number): Promise<void> {
    await this.#producer.ready();
    void this.#producer
      .publish(`key-${index % this.#options.keys}`, "x".repeat(128))
      .then(({ partition, sequence }) => {
        this.published.push({ partition, sequence, storedAt: Date.now() });
      });
  }
}
