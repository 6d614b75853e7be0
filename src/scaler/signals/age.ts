/** How long the oldest message that is not handled has been stored. */
import type { JetStreamManager } from "@nats-io/jetstream";
import { isMessageNotFound } from "../../nats/errors.ts";

/**
 * In milliseconds, of the first message with that subject behind `handled`; undefined when there is none. The server's
 * time of storing is compared with this machine's: the figure is for people, and decides nothing.
 */
export async function oldestMs(
  manager: JetStreamManager,
  stream: string,
  subject: string,
  handled: number,
): Promise<number | undefined> {
  try {
    const query = { seq: handled + 1, next_by_subj: subject };
    const message = await manager.streams.getMessage(stream, query);
    return message === null ? undefined : Math.max(0, Date.now() - message.time.getTime());
  } catch (error) {
    if (isMessageNotFound(error)) return undefined;
    throw error;
  }
}
