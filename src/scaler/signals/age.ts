/** How long the oldest message that is not handled has been stored. */
import type { JetStreamManager } from "@nats-io/jetstream";

/**
 * In milliseconds, of the first message with that subject behind `handled`; undefined when there is none, or nobody answers. The server's
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
  } catch {
    // There is none, or it cannot be read: no reading is to fail for its sake.
    return undefined;
  }
}
