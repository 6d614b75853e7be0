/** What the group is there for: a producer that publishes all the time, and notes what became of it. */
import { setTimeout as sleep } from "node:timers/promises";
import { createPacer, Producer } from "../../../src/index.ts";
import type { Published } from "./evidence.ts";
import type { Plan } from "./plan.ts";

/** Publishes numbered messages, key by key, until it is ended. */
export class Load {
  readonly published: Published[] = [];
  readonly #producer: Producer;
  readonly #plan: Plan;
  readonly #stop = new AbortController();
  #running: Promise<void> = Promise.resolve();

  private constructor(producer: Producer, plan: Plan) {
    this.#producer = producer;
    this.#plan = plan;
  }

  /** Connects; the stream is created with so many replicas. */
  static async connect(url: string, plan: Plan, replicas: number): Promise<Load> {
    const producer = await Producer.connect({
      servers: url,
      stream: "EVENTS",
      subject: "events",
      partitions: plan.partitions,
      ensureStream: { num_replicas: replicas },
      ackTimeoutMs: 1_000,
    });
    return new Load(producer, plan);
  }

  start(): void {
    this.#running = this.#run();
  }

  /** Stops; resolves once the fate of everything published is known. */
  async end(): Promise<void> {
    this.#stop.abort();
    await this.#running;
    await this.#producer.flush();
    await this.#producer.close();
  }

  async #run(): Promise<void> {
    const pacer = createPacer({ rate: this.#plan.rate });
    const startedAt = performance.now();
    for (let sent = 0; !this.#stop.signal.aborted; ) {
      const due = pacer.dueBy(performance.now() - startedAt);
      for (; sent < due; sent++) this.#publish(sent);
      await sleep(5);
    }
  }

  #publish(n: number): void {
    this.#producer.publish(`key-${n % this.#plan.keys}`, JSON.stringify({ n })).then(
      ({ partition, sequence }) => this.published.push({ n, partition, sequence }),
      (error: unknown) => this.published.push({ n, error: String(error) }),
    );
  }
}
