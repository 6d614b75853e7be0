/** The message that asks for a dead letter to be tried again, told from all others. */
import { headers, type Msg } from "@nats-io/transport-node";
import { expect, test } from "vitest";
import { decodeReplay, encodeReplay } from "../../src/consumer/dead-letters/replay.ts";

function message(asking: string | undefined, data = ""): Msg {
  const given = headers();
  if (asking !== undefined) given.set("Docktor-Replay", asking);
  return { data: new TextEncoder().encode(data), headers: given } as unknown as Msg;
}

test("it comes back as it was sent", () => {
  const asked = { group: "WEB_WORKERS-2", id: 42 };
  const sent = { data: new Uint8Array(), headers: encodeReplay(asked) } as unknown as Msg;
  expect(decodeReplay(sent)).toEqual(asked);
});

test.each([
  "",
  "WORKERS",
  "WORKERS 0",
  "WORKERS -1",
  "WORKERS x",
  "WORKERS 1 2",
  "W.S 1",
  `W ${"9".repeat(20)}`,
])("a message with the header %j is a message like any", (asking) => {
  expect(decodeReplay(message(asking))).toBeUndefined();
});

test("so is one with data, one without that header, and one without any", () => {
  expect(decodeReplay(message("WORKERS 1", "data"))).toBeUndefined();
  expect(decodeReplay(message(undefined))).toBeUndefined();
  expect(decodeReplay({ data: new Uint8Array() } as unknown as Msg)).toBeUndefined();
});
