/** What a delivery does with what a durable sends. The durable is the test's; the rest is real. */
import { afterEach, beforeEach, describe, expect, test, vi } from "vitest";
import { Delivery } from "../../src/consumer/delivery/delivery.ts";
import type { Link } from "../../src/nats/connection.ts";
import { FakeConnection } from "../support/delivered.ts";

/** The last handled sequence. */
const AFTER = 3;

let handedOver: number[];
let acked: number[];
let interruptions: number;
/** Whether there is no room for more. */
let full: boolean;
/** Whether what is handed over takes up room. */
let keeps: boolean;
/** How many may be held. */
let room: number;
let committed: number;
let delivery: Delivery;
/** Hands a message to the client; `number` is the server's count of its deliveries. */
let receive: (number: number, sequence: number, pending?: number) => void;
/** The connection's other end. */
let server: FakeConnection;

beforeEach(() => open());

function open({ workQueue = false, begun = true, first = 1 } = {}): void {
  [handedOver, acked, interruptions, full, room] = [[], [], 0, false, 1];
  keeps = false;
  committed = AFTER;
  server = new FakeConnection();
  receive = (deliverySequence, sequence, pending = 0) => {
    server.deliver({ sequence, deliverySequence, pending, onAck: () => acked.push(sequence) });
  };
  delivery = new Delivery({
    link: { connection: server.asConnection } as Link,
    stream: "S",
    durable: "G-p0-e1",
    heartbeatMs: 500,
    askedAhead: { messages: first, bytes: 1e6 },
    workQueue,
  });
  if (begun) begin();
  room = 2;
}

function begin(): void {
  delivery.begin(AFTER, {
    // One is asked for at a time: what has just come counts, too.
    limit: () => room,
    held: () => (full ? room : keeps ? handedOver.length : 0),
    limitBytes: () => 1e6,
    heldBytes: () => 0,
    onMessage: ({ sequence }) => handedOver.push(sequence),
    committed: () => committed,
    onInterrupted: () => interruptions++,
  });
}

/** There is room for more. */
function goOn(): void {
  full = false;
  room = 1;
  delivery.more();
  room = 2;
}

function reopen(as: { workQueue: boolean }): void {
  delivery.close();
  open(as);
}

afterEach(() => delivery.close());

describe("a delivery", () => {
  test("hands messages over in order, from behind what was handled", () => {
    expect([delivery.receivedAny, delivery.position]).toEqual([false, AFTER]);
    receive(1, 4);
    receive(2, 9);
    expect(handedOver).toEqual([4, 9]);
    expect([delivery.receivedAny, delivery.position]).toEqual([true, 9]);
    expect([acked, interruptions]).toEqual([[], 0]);
  });

  test("acks a message that was handled before it began in a work queue, and does not hand it over", () => {
    reopen({ workQueue: true });
    receive(1, AFTER - 1);
    receive(2, AFTER);
    receive(3, AFTER + 1);
    expect([acked, handedOver]).toEqual([[AFTER - 1, AFTER], [AFTER + 1]]);
  });

  test("neither acks nor hands over a repeat of what it handed over itself in a work queue, until that is committed", () => {
    reopen({ workQueue: true });
    receive(1, 4);
    receive(2, 4);
    expect([acked, handedOver]).toEqual([[], [4]]);
    committed = 4;
    receive(3, 4);
    expect([acked, handedOver]).toEqual([[4], [4]]);
  });

  test("asks for more behind a repeat that took up all the room while it came", () => {
    room = 1;
    receive(1, AFTER);
    expect(server.asked).toEqual([1, 1]);
  });

  test("acks nothing where the stream keeps what is acked", () => {
    receive(1, AFTER);
    expect(acked).toEqual([]);
  });

  test("is interrupted, once, by a delivery that is missing, and hands nothing over from there on", () => {
    receive(1, 4);
    receive(3, 6);
    receive(4, 7);
    receive(6, 9);
    expect([handedOver, interruptions, server.subscribed]).toEqual([[4], 1, false]);
  });

  test("is interrupted when its first delivery is missing", () => {
    receive(2, 5);
    expect([handedOver, interruptions]).toEqual([[], 1]);
  });

  test.each([
    [409, "Consumer Deleted", 1],
    [503, "No Responders", 1],
    [409, "Leadership Change", 0],
    [408, "Request Timeout", 0],
  ])("that hears %d %s is interrupted so often: %d", (code, description, times) => {
    server.say(code, description);
    expect(interruptions).toBe(times);
  });

  test("whose inbox is forbidden is interrupted", () => {
    server.refuse();
    expect(interruptions).toBe(1);
  });

  test.each([
    ["in a work queue, as acks may be lost with whoever answered before", true, 1],
    ["elsewhere", false, 0],
  ])("that misses heartbeats is interrupted or not: %s", (_, workQueue, times) => {
    vi.useFakeTimers({ toFake: ["setInterval", "clearInterval"] });
    reopen({ workQueue });
    vi.advanceTimersByTime(1_500);
    expect(interruptions).toBe(times);
    delivery.close();
    vi.useRealTimers();
  });

  test.each([
    ["that did not come", 2, 1],
    ["that came", 1, 0],
  ])("that hears in a heartbeat of a last message %s", (_, deliveries, times) => {
    receive(1, 4);
    server.say(100, "Idle Heartbeat", { "Nats-Last-Consumer": String(deliveries) });
    expect(interruptions).toBe(times);
  });

  test("that is closed hands nothing over, and is not interrupted any more", () => {
    delivery.close();
    receive(1, 4);
    receive(3, 5);
    server.say(409, "Consumer Deleted");
    expect([handedOver, interruptions, server.subscribed]).toEqual([[], 0, false]);
  });
});

describe("a delivery that was asked for before it is known where it begins", () => {
  /** Nothing was handed over, nor is it interrupted. */
  const nothing = [[], 0];

  beforeEach(() => {
    delivery.close();
    open({ begun: false });
  });

  test("keeps what comes, and hands over what is not handled, in order, once it begins", () => {
    receive(1, AFTER - 1);
    receive(2, AFTER + 1);
    expect([handedOver, interruptions]).toEqual(nothing);
    begin();
    expect(handedOver).toEqual([AFTER + 1]);
    receive(3, AFTER + 2);
    expect(handedOver).toEqual([AFTER + 1, AFTER + 2]);
    expect(delivery.position).toBe(AFTER + 2);
  });

  test("asks for no more than at first, and for more once it begins", () => {
    expect([server.asked, server.askedBytes]).toEqual([[1], [1e6]]);
    receive(1, AFTER + 1);
    expect(server.asked).toEqual([1]);
    begin();
    expect(server.asked).toEqual([1, 2]);
  });

  test("asks for no more while what was handled already is left out, and what is not has to come", () => {
    delivery.close();
    open({ begun: false, first: 4 });
    for (let number = 1; number <= 4; number++) receive(number, AFTER - 2 + number);
    [room, keeps] = [4, true];
    begin();
    // Two of the four take up room; only then is it counted how much there is.
    expect(handedOver).toEqual([AFTER + 1, AFTER + 2]);
    expect(server.asked).toEqual([4, 2]);
  });

  test("asks for what is larger than all that may come at first alone", () => {
    server.say(409, "Message Size Exceeds MaxBytes");
    expect([server.asked, server.askedBytes]).toEqual([
      [1, 1],
      [1e6, undefined],
    ]);
  });

  test.each([
    ["a delivery is missing", () => receive(2, AFTER + 1)],
    [
      "a heartbeat tells of a delivery that did not come",
      () => server.say(100, "Idle Heartbeat", { "Nats-Last-Consumer": "1" }),
    ],
    ["the connection is cut", () => delivery.interrupt()],
    ["its durable is deleted", () => server.say(409, "Consumer Deleted")],
  ])("is interrupted when it begins, if before that %s", (_, happen) => {
    happen();
    expect([handedOver, interruptions]).toEqual(nothing);
    begin();
    expect([handedOver, interruptions, server.subscribed]).toEqual([[], 1, false]);
  });

  test("hands over what came before it was interrupted, and nothing behind", () => {
    receive(1, AFTER + 1);
    receive(3, AFTER + 3);
    receive(4, AFTER + 4);
    begin();
    expect([handedOver, interruptions]).toEqual([[AFTER + 1], 1]);
  });

  test("knows what it missed while there was no room", () => {
    receive(1, 5);
    begin();
    receive(2, 9);
    // What lies between the two messages came while nothing was asked for, and may have gone.
    expect(delivery.gapsUpTo(8)).toEqual([
      { first: AFTER + 1, last: 4 },
      { first: 6, last: 8 },
    ]);
  });

  test("that is closed asks for nothing, and hands nothing over should it begin", () => {
    receive(1, AFTER + 1);
    delivery.close();
    expect(server.subscribed).toBe(false);
    begin();
    expect([handedOver, interruptions]).toEqual(nothing);
    expect(server.asked).toEqual([1]);
  });
});

describe("what a delivery can not receive any more", () => {
  test("is at first everything that is gone behind the start", () => {
    expect(delivery.gapsUpTo(8)).toEqual([{ first: AFTER + 1, last: 8 }]);
    expect(delivery.position).toBe(8);
  });

  test("is at first nothing when only what was handled is gone", () => {
    expect(delivery.gapsUpTo(AFTER)).toEqual([]);
    expect(delivery.position).toBe(AFTER);
  });

  test("ends at first before the first message that came, however many came since", () => {
    receive(1, 7, 1);
    receive(2, 8, 1);
    expect(delivery.gapsUpTo(20)).toEqual([{ first: AFTER + 1, last: 6 }]);
    expect(delivery.position).toBe(8);
  });

  test("does not count what was handled before as the first message", () => {
    receive(1, AFTER, 1);
    receive(2, 7, 1);
    expect(delivery.gapsUpTo(20)).toEqual([{ first: AFTER + 1, last: 6 }]);
  });

  test("is later what was to come next and is gone", () => {
    delivery.gapsUpTo(AFTER);
    receive(1, 5, 2);
    expect(delivery.gapsUpTo(8)).toEqual([{ first: 6, last: 8 }]);
    expect(delivery.gapsUpTo(8)).toEqual([]);
    expect(delivery.gapsUpTo(9)).toEqual([{ first: 9, last: 9 }]);
  });

  test("is later nothing when nothing was to come after the last message", () => {
    delivery.gapsUpTo(AFTER);
    receive(1, 5, 0);
    expect(delivery.gapsUpTo(8)).toEqual([]);
    expect(delivery.position).toBe(5);
  });

  test("is what was to come when the flow had to stop, and did not", () => {
    delivery.gapsUpTo(AFTER);
    full = true;
    receive(1, 5, 20);
    goOn();
    receive(2, 15, 19);
    receive(3, 18, 18);
    expect(delivery.gapsUpTo(16)).toEqual([{ first: 6, last: 14 }]);
    expect(delivery.gapsUpTo(16)).toEqual([]);
  });

  test("is told of each time that the flow had to stop", () => {
    delivery.gapsUpTo(AFTER);
    for (const [i, sequence] of [5, 15, 25, 35].entries()) {
      full = true;
      receive(i + 1, sequence, 20);
      goOn();
    }
    expect(delivery.gapsUpTo(32)).toEqual([
      { first: 6, last: 14 },
      { first: 16, last: 24 },
      { first: 26, last: 32 },
    ]);
    expect(delivery.gapsUpTo(40)).toEqual([{ first: 36, last: 40 }]);
  });

  test("is what came, and went, while the flow had to stop behind a message that was the last one", () => {
    delivery.gapsUpTo(AFTER);
    full = true;
    receive(1, 5, 0);
    expect(delivery.gapsUpTo(AFTER)).toEqual([]);
    expect(delivery.gapsUpTo(8)).toEqual([{ first: 6, last: 8 }]);
    goOn();
    receive(2, 15, 0);
    expect(delivery.gapsUpTo(12)).toEqual([{ first: 9, last: 12 }]);
  });

  test.each([
    ["and there was no room for another", true, [{ first: 6, last: 8 }]],
    ["and another was sent", false, []],
  ])("is what came, and went, after a request had ended %s", (_, isFull, gaps) => {
    delivery.gapsUpTo(AFTER);
    receive(1, 5, 0);
    full = isFull;
    server.say(408, "Request Timeout", { "Nats-Pending-Messages": "1" });
    expect(delivery.gapsUpTo(8)).toEqual(gaps);
  });

  test("is not kept in a work queue, where what is handled is gone", () => {
    reopen({ workQueue: true });
    delivery.gapsUpTo(AFTER);
    full = true;
    receive(1, 5, 20);
    goOn();
    receive(2, 15, 19);
    expect(delivery.gapsUpTo(14)).toEqual([]);
  });

  test("is nothing once the flow could go on behind the last message and nothing was gone by then", () => {
    delivery.gapsUpTo(AFTER);
    full = true;
    receive(1, 5, 0);
    goOn();
    expect(delivery.gapsUpTo(5)).toEqual([]);
    expect(delivery.gapsUpTo(8)).toEqual([]);
  });

  test("is nothing between two messages unless the flow had to stop", () => {
    delivery.gapsUpTo(AFTER);
    receive(1, 5, 20);
    receive(2, 15, 19);
    expect(delivery.gapsUpTo(14)).toEqual([]);
  });

  test("is not told again: the flow goes on behind it", () => {
    expect(delivery.gapsUpTo(8)).toEqual([{ first: AFTER + 1, last: 8 }]);
    receive(1, 9, 1);
    expect(delivery.gapsUpTo(9)).toEqual([]);
    expect([handedOver, interruptions]).toEqual([[9], 0]);
  });
});
