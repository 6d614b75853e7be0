import type { JsMsg } from "@nats-io/jetstream";
import type { MsgHdrs } from "@nats-io/transport-node";

/** A message's headers: one value as a string, several under one name as an array. */
export type MessageHeaders = Readonly<Record<string, string | readonly string[]>>;

/**
 * The headers of a message as they came. None, too, when they cannot be read: the server stores what any
 * publisher sends, and one bad line may not keep a partition from going on.
 */
export function headersOf(raw: JsMsg): MsgHdrs | undefined {
  try {
    return raw.headers;
  } catch {
    return undefined;
  }
}
