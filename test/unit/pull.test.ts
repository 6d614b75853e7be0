/** When a durable's messages are asked for. The other end of the connection is the test's. */
import { afterEach, beforeEach, describe, expect, test, vi } from "vitest";
import { Pull } from "../../src/consumer/delivery/pull.ts";
import type { Link } from "../../src/nats/connection.ts";
import { FakeConnection } from "../support/delivered.ts";

const HEARTBEAT_MS = 500;

let server: FakeConnection;
let pull: Pull;
let came: number;
let silences: number;
let limit: number;
let held: number;
let limitBytes: number;
let heldBytes: number;

beforeEach(() => {
  vi.useFakeTimers({ toFake: ["setInterval", "clearInterval"] });
  server = new FakeConnection();
  [came, silences, held, limit] = [0, 0, 0, 500];
  [heldBytes, limitBytes] = [0, 10_000];
  pull = new Pull({
    link: { connection: server.asConnection } as Link,
    stream: "S",
    durable: "G-p0-e1",
    heartbeatMs: HEARTBEAT_MS,
    limit: () => limit,
    held: () => held,
    limitBytes: () => limitBytes,
    heldBytes: () => heldBytes,
    onMessage: () => came++,
    onIdle: () => {},
    onHeartbeat: () => {},
    onSilent: () => silences++,
    onGone: () => {},
  });
});

afterEach(() => {
  pull.close();
  vi.useRealTimers();
});

const deliver = (count: number, size = 1): void => {
  for (let i = 0; i < count; i++) server.deliver({ sequence: came + 1, size });
};

describe("messages are asked for", () => {
  test("at first, and again when all have come", () => {
    expect(server.asked).toEqual([500]);
    deliver(499);
    pull.more();
    expect(server.asked).toEqual([500]);
    deliver(1);
    expect(server.asked).toEqual([500, 499]);
  });

  test("not beyond what may be held, until half of that is handled", () => {
    deliver(499);
    held = 499;
    deliver(1);
    expect(server.asked).toEqual([500]);
    held = 251;
    pull.more();
    expect(server.asked).toEqual([500]);
    held = 250;
    pull.more();
    expect(server.asked).toEqual([500, 250]);
  });

  test("when a request has ended, for what it has left", () => {
    deliver(100);
    server.say(408, "Request Timeout", { "Nats-Pending-Messages": "400" });
    expect(server.asked).toEqual([500, 500]);
  });

  test("when two heartbeats are missed, as whoever was asked may be gone", () => {
    deliver(10);
    vi.advanceTimersByTime(2 * HEARTBEAT_MS);
    expect(server.asked).toEqual([500]);
    vi.advanceTimersByTime(HEARTBEAT_MS);
    expect([server.asked, silences]).toEqual([[500, 500], 1]);
  });

  test("not while heartbeats come", () => {
    for (let i = 0; i < 10; i++) {
      vi.advanceTimersByTime(HEARTBEAT_MS);
      server.say(100, "Idle Heartbeat", { "Nats-Last-Consumer": "0" });
    }
    expect(server.asked).toEqual([500]);
  });

  test("of nobody who is silent because nothing is asked of him", () => {
    held = 500;
    deliver(500);
    vi.advanceTimersByTime(10 * HEARTBEAT_MS);
    expect([server.asked, silences]).toEqual([[500], 0]);
  });

  test("not any more when it is closed", () => {
    pull.close();
    vi.advanceTimersByTime(10 * HEARTBEAT_MS);
    expect([server.asked, server.subscribed]).toEqual([[500], false]);
  });

  test("not while they have more than half of the bytes that may be held, and for no more than the rest", () => {
    heldBytes = 5_001;
    held = 10;
    server.say(408, "Request Timeout", { "Nats-Pending-Messages": "500" });
    expect(server.asked).toEqual([500]);
    heldBytes = 5_000;
    pull.more();
    expect([server.asked, server.askedBytes]).toEqual([
      [500, 490],
      [10_000, 5_000],
    ]);
  });

  test("when the bytes are used up to the last one, of which the server says nothing", () => {
    deliver(1, 9_000);
    expect(server.asked).toEqual([500]);
    deliver(1, 1_000);
    expect(server.asked).toEqual([500, 499]);
  });

  test("again, if there is room, for what was left of a request that had too few bytes left", () => {
    deliver(3);
    [held, heldBytes] = [3, 9_000];
    exceeded(497);
    expect(server.asked).toEqual([500]);
    [held, heldBytes] = [0, 0];
    pull.more();
    deliver(1);
    exceeded(499);
    expect(server.asked).toEqual([500, 500, 500]);
  });

  test("not again and again for one that there is no room for beside what is held", () => {
    held = 1;
    exceeded(500);
    expect(server.asked).toEqual([500]);
  });

  test("alone when one is larger than all that may be held, and without a limit", () => {
    deliver(1);
    exceeded(499);
    expect(server.asked).toEqual([500, 500]);
    exceeded(500);
    expect([server.asked, server.askedBytes]).toEqual([
      [500, 500, 1],
      [10_000, 10_000, undefined],
    ]);
    deliver(1, 20_000);
    expect(server.asked).toHaveLength(3);
    pull.more();
    expect(server.askedBytes.at(-1)).toBe(10_000);
  });

  function exceeded(left: number): void {
    server.say(409, "Message Size Exceeds MaxBytes", { "Nats-Pending-Messages": `${left}` });
  }
});
