import { expect, test } from "vitest";
import { Window } from "../../src/producer/window.ts";

test("a message whose first attempt was refused and whose second is stored has one outcome, however late", async () => {
  const tokens: number[] = [];
  const window = new Window(
    {
      stream: "S",
      order: "pipelined",
      maxInFlight: 10,
      maxInFlightBytes: 1_000,
      ackTimeoutMs: 1_000,
      retryForMs: 20,
      resendForMs: 20,
    },
    { isUp: () => true, send: (_message, token) => tokens.push(token) },
  );
  const data = new Uint8Array(4);
  const message = { partition: 0, subject: "s.p.0", messageId: "m", idGiven: false };
  const stored = window.add({ ...message, headers: new Uint8Array(0), data, size: 4 });
  await new Promise((resolve) => setImmediate(resolve));
  const [token = Number.NaN] = tokens;
  window.answer(token, { kind: "nobody" });
  // The event loop is blocked until no further attempt would be safe.
  for (const until = performance.now() + 40; performance.now() < until; );
  window.answer(token, { kind: "stored", stream: "S", sequence: 7, duplicate: false });
  await expect(stored).resolves.toMatchObject({ sequence: 7 });
  expect([window.pending, window.inFlight, window.inFlightBytes]).toEqual([0, 0, 0]);
});
