/** A message's headers, in the client's form and in docktor's. */
import { headers, type Msg, type MsgHdrs } from "@nats-io/transport-node";

/** A message's headers: one value as a string, several under one name as an array. */
export type MessageHeaders = Readonly<Record<string, string | readonly string[]>>;

/**
 * The headers of a message as they came. None, too, when they cannot be read: the server stores what any
 * publisher sends, and one bad line may not keep a partition from going on.
 */
export function headersOf(raw: Pick<Msg, "headers">): MsgHdrs | undefined {
  try {
    return raw.headers;
  } catch {
    return undefined;
  }
}

/** The client's headers as docktor's. */
export function plainHeaders(encoded: MsgHdrs): MessageHeaders {
  return Object.fromEntries(
    encoded.keys().map((name) => {
      const values = encoded.values(name);
      return [name, values.length === 1 ? (values[0] ?? "") : values];
    }),
  );
}

/** Docktor's headers as the client's. */
export function natsHeaders(plain: MessageHeaders): MsgHdrs {
  const encoded = headers();
  for (const [name, value] of Object.entries(plain)) {
    for (const each of typeof value === "string" ? [value] : value) encoded.append(name, each);
  }
  return encoded;
}
