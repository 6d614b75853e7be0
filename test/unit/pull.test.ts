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
  [heldBytes, limitBytes] = [0, 1_000_000];
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

const deliver = (count: number): void => {
  for (let i = 0; i < count; i++) server.deliver({ seq: came + 1 });
};

describe("messages are asked for", () => {
  test("at first, and again when half of them have come, so that there are always some on their way", () => {
    expect(server.asked).toEqual([500]);
    deliver(249);
    expect(server.asked).toEqual([500]);
    deliver(1);
    expect(server.asked).toEqual([500, 250]);
    deliver(250);
    expect(server.asked).toEqual([500, 250, 250]);
  });

  test("not beyond what may be held, until half of that is handled", () => {
    held = 500;
    deliver(500);
    expect(server.asked).toEqual([500]);
    held = 251;
    pull.more();
    expect(server.asked).toEqual([500]);
    held = 250;
    pull.more();
    expect(server.asked).toEqual([500, 250]);
  });

  test("when more may be held than before", () => {
    limit = 1_000;
    pull.more();
    expect(server.asked).toEqual([500, 500]);
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

  test("not while they have more than half of the bytes that may be held", () => {
    limitBytes = 1_000;
    heldBytes = 501;
    deliver(250);
    expect(server.asked).toEqual([500]);
    heldBytes = 500;
    pull.more();
    expect([server.asked, server.askedBytes.at(-1)]).toEqual([[500, 250], 500]);
  });

  test("again, if there is room, for what was left of a request that had no bytes left", () => {
    deliver(3);
    held = 3;
    heldBytes = limitBytes;
    const exceeded = (left: number): void => {
      server.say(409, "Message Size Exceeds MaxBytes", { "Nats-Pending-Messages": `${left}` });
    };
    exceeded(497);
    expect(server.asked).toEqual([500]);
    heldBytes = 0;
    pull.more();
    deliver(1);
    exceeded(496);
    expect(server.asked).toEqual([500, 497, 497]);
  });

  test("not again and again for one that there is no room for beside what is held", () => {
    held = 1;
    server.say(409, "Message Size Exceeds MaxBytes", { "Nats-Pending-Messages": "500" });
    expect(server.asked).toEqual([500]);
  });

  test("alone when one is larger than all that may be held, and without a limit", () => {
    server.say(409, "Message Size Exceeds MaxBytes", { "Nats-Pending-Messages": "500" });
    expect([server.asked, server.askedBytes]).toEqual([
      [500, 1],
      [500_000, undefined],
    ]);
    deliver(1);
    expect([came, server.asked]).toEqual([1, [500, 1, 500]]);
  });
});
