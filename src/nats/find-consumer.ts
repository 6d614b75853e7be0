/** Reading what the server knows of a JetStream consumer. */
import type { ConsumerInfo, JetStreamManager } from "@nats-io/jetstream";
import { fromNats, isConsumerNotFound } from "./errors.ts";

/** The consumer's description; undefined when it does not exist. */
export async function findConsumer(
  manager: JetStreamManager,
  stream: string,
  name: string,
): Promise<ConsumerInfo | undefined> {
  try {
    const info = (await manager.consumers.info(stream, name)) as Partial<ConsumerInfo>;
    // Of one that is just being removed, nats-server 2.9 answers without an error and without anything.
    return info.delivered === undefined ? undefined : (info as ConsumerInfo);
  } catch (error) {
    if (isConsumerNotFound(error)) return undefined;
    throw fromNats(error, `read consumer ${name} of stream ${stream}`);
  }
}
