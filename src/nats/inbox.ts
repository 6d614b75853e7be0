/** Subjects on which answers come. */
import { createInbox, type NatsConnection } from "@nats-io/transport-node";

/** A new one, under the connection's own prefix, which permissions may depend on. */
export function newInbox(connection: NatsConnection): string {
  const { options } = connection as { options?: { inboxPrefix?: string } };
  return createInbox(options?.inboxPrefix);
}
