/** The messages between publish and their outcome. The server is the test's; time is the machine's. */
import { beforeEach, describe, expect, test } from "vitest";
import type { PublishAck } from "../../src/producer/message.ts";
import { Window } from "../../src/producer/window.ts";

/** For how long a message is sent again. */
const PATIENCE_MS = 20;

let window: Window;
/** The tokens that were sent, in order. */
let tokens: number[];

beforeEach(() => {
  tokens = [];
  window = new Window(
    {
      stream: "S",
      order: "pipelined",
      maxInFlight: 10,
      maxInFlightBytes: 1_000,
      ackTimeoutMs: 1_000,
      retryForMs: PATIENCE_MS,
      resendForMs: PATIENCE_MS,
    },
    { isUp: () => true, send: (_message, token) => tokens.push(token) },
  );
});

/** Publishes; returns once it is sent, which may take until the stream is to be asked again. */
async function publish(): Promise<{ outcome: Promise<PublishAck>; token: number }> {
  const sent = tokens.length;
  const message = {
    partition: 0,
    subject: "s.p.0",
    messageId: `m${sent}`,
    idGiven: false,
    headers: new Uint8Array(0),
    data: new Uint8Array(4),
    size: 4,
  };
  const outcome = new Promise<PublishAck>((yes, no) => window.take(message, yes, no));
  while (tokens.length === sent) await new Promise((resolve) => setImmediate(resolve));
  return { outcome, token: tokens[sent] ?? Number.NaN };
}

const stored = (stream: string) =>
  ({ kind: "stored", stream, sequence: 7, duplicate: false }) as const;

describe("a message", () => {
  test("whose first attempt was refused and whose second is stored has one outcome, however late", async () => {
    const { outcome, token } = await publish();
    window.answer(token, { kind: "nobody" });
    // The event loop is blocked until no further attempt would be safe.
    for (const until = performance.now() + 2 * PATIENCE_MS; performance.now() < until; );
    window.answer(token, stored("S"));
    await expect(outcome).resolves.toMatchObject({ sequence: 7 });
    expect([window.pending, window.inFlight, window.inFlightBytes]).toEqual([0, 0, 0]);
  });

  test("that another stream has stored is rejected: the group would never see it", async () => {
    const { outcome, token } = await publish();
    window.answer(token, stored("OTHER"));
    await expect(outcome).rejects.toMatchObject({
      code: "PUBLISH_REJECTED",
      message: expect.stringContaining("OTHER") as string,
    });
    expect([window.pending, window.inFlight]).toEqual([0, 0]);
  });
});

test("a stream that stayed away until all was given up is asked again by the next message", async () => {
  const first = await publish();
  window.answer(first.token, { kind: "nobody" });
  await expect(first.outcome).rejects.toMatchObject({ code: "PUBLISH_TIMEOUT" });
  const second = await publish();
  window.answer(second.token, stored("S"));
  await expect(second.outcome).resolves.toMatchObject({ sequence: 7 });
});
