/** The kinds of queue that can be read; `queue.kind` in the configuration names one. */
import { DocktorError } from "../../errors.ts";
import type { QueueConfig } from "../config/config.ts";
import { NatsQueue } from "./nats.ts";
import type { QueueReader } from "./queue.ts";

/** Makes a reader; does not connect. */
export type QueueFactory = (config: QueueConfig) => QueueReader;

const factories = new Map<string, QueueFactory>([["nats", (config) => new NatsQueue(config)]]);

/** Adds a kind of queue, or replaces it. To be called before a configuration that names it is read. */
export function registerQueue(kind: string, factory: QueueFactory): void {
  factories.set(kind, factory);
}

/** The kinds that there are: `nats`, and those that were registered. */
export function queueKinds(): string[] {
  return [...factories.keys()];
}

/** @throws DocktorError CONFIG_INVALID when there is no such kind */
export function createQueue(config: QueueConfig): QueueReader {
  const factory = factories.get(config.kind);
  if (factory !== undefined) return factory(config);
  throw new DocktorError(
    "CONFIG_INVALID",
    `queue.kind ${config.kind} is not known: use ${queueKinds().join(" or ")}, or register it`,
  );
}
