/** The message that asks a group to try a dead letter again: it takes its turn in the letter's partition. */
import type { Msg, MsgHdrs } from "@nats-io/transport-node";
import { headersOf, natsHeaders } from "../../nats/headers.ts";

const REPLAY_HEADER = "Docktor-Replay";

/** Which dead letter is to be tried again, and by whom. */
export interface ReplayRequest {
  readonly group: string;
  readonly id: number;
}

/** The headers of such a message; it has no data. */
export function encodeReplay({ group, id }: ReplayRequest): MsgHdrs {
  return natsHeaders({ [REPLAY_HEADER]: `${group} ${id}` });
}

/** What the message asks for; undefined for all others, which are messages like any. */
export function decodeReplay(raw: Pick<Msg, "data" | "headers">): ReplayRequest | undefined {
  if (raw.data.length > 0) return undefined;
  const asked = /^([\w-]+) ([1-9]\d{0,14})$/.exec(headersOf(raw)?.get(REPLAY_HEADER) ?? "");
  return asked === null ? undefined : { group: asked[1] ?? "", id: Number(asked[2]) };
}
