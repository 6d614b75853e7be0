/** What a stream has stored, read by the client itself. */
import type { Link } from "../../src/nats/connection.ts";
import { KEY_HEADER } from "../../src/partition/names.ts";

/** A stored message, as far as tests look at it. */
export interface StoredMessage {
  sequence: number;
  subject: string;
  messageId: string;
  key: string;
  storedAt: Date;
  data: string;
  header(name: string): string[];
}

/** Everything that the stream has, in its order. */
export async function readBack(
  { manager, jetstream }: Link,
  stream: string,
): Promise<StoredMessage[]> {
  const { state } = await manager.streams.info(stream);
  const stored: StoredMessage[] = [];
  if (state.messages === 0) return stored;
  const consumer = await jetstream.consumers.get(stream);
  const messages = await consumer.consume({ max_messages: 1_000 });
  for await (const message of messages) {
    stored.push({
      sequence: message.seq,
      subject: message.subject,
      messageId: message.headers?.get("Nats-Msg-Id") ?? "",
      key: message.headers?.get(KEY_HEADER) ?? "",
      storedAt: message.time,
      data: message.string(),
      header: (name) => message.headers?.values(name) ?? [],
    });
    if (message.seq >= state.last_seq) break;
  }
  await messages.close();
  return stored;
}
