/** What a connection tells about itself. */
import type { NatsConnection, QueuedIterator, Status } from "@nats-io/transport-node";

/**
 * Tells each change of the connection, such as `disconnect` and `reconnect`. Returns a way to stop,
 * without which a caller's own connection would keep the queue of its changes for ever.
 */
export function followChanges(
  connection: NatsConnection,
  tell: (status: Status) => void,
): () => void {
  const statuses = connection.status();
  void (async () => {
    for await (const status of statuses) tell(status);
  })();
  return () => (statuses as Partial<QueuedIterator<Status>>).stop?.();
}
