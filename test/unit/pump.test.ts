/** One partition's flow from its durable to the commit. Server, lease and handler are the test's; the rest is real. */
import { headers } from "@nats-io/transport-node";
import PQueue from "p-queue";
import { afterEach, beforeEach, describe, expect, test, vi } from "vitest";
import { Breather } from "../../src/consumer/handling/breather.ts";
import { dispatchFor } from "../../src/consumer/handling/dispatch.ts";
import type { EachMessage, KeyConcurrency } from "../../src/consumer/handlers.ts";
import { PoisonOfPartition } from "../../src/consumer/dead-letters/poison.ts";
import { Credit, mostHeld } from "../../src/consumer/delivery/credit.ts";
import { Delivery } from "../../src/consumer/delivery/delivery.ts";
import { WorkMeter } from "../../src/consumer/work-meter.ts";
import { Pump } from "../../src/consumer/pump.ts";
import { DocktorError } from "../../src/errors.ts";
import type { Lease } from "../../src/lease/lease.ts";
import type { Link } from "../../src/nats/connection.ts";
import { ManualClock } from "../support/clock.ts";
import { FakeConnection } from "../support/delivered.ts";

const WINDOW = 4;
const HEARTBEAT_MS = 500;
/** What a pump holds at first, of a partition of which that many may be delivered. */
const LEAST = 64;
/** What each message takes up, and how much that may be. */
const [MESSAGE_BYTES, LIMIT_BYTES] = [100, 100_000];

let clock: ManualClock;
/** Whether nobody else may own the partition. */
let trusted: boolean;
/** Whether the stream removes what is acked. */
let workQueue: boolean;
let lost: AbortController;
let commits: number[];
/** What becomes of a commit. */
let onCommit: () => Promise<void>;
let acks: number[];
/** What the handler was called with, in order. */
let calls: string[];
/** Ends the call for the message of that name. */
let ends: Map<string, (error?: Error) => void>;
let errors: string[];
let interruptions: number;
let server: FakeConnection;
let pump: Pump;
/** The durables that were made, with the sequence where they begin. */
let made: [name: string, start: number | undefined][];
/** The durables that were removed. */
let removed: string[];
let preparations: PQueue;

beforeEach(() => {
  [clock, lost, trusted] = [new ManualClock(), new AbortController(), true];
  [commits, acks, calls, ends, errors] = [[], [], [], new Map(), []];
  onCommit = () => Promise.resolve();
  [made, removed, preparations] = [[], [], new PQueue({ concurrency: 1 })];
  interruptions = 0;
  workQueue = false;
});

afterEach(() => {
  vi.useRealTimers();
  void pump.abort();
});

const settled = (): Promise<void> => clock.advance(0);

/** Starts the flow behind sequence 0. */
async function flow(
  concurrency?: KeyConcurrency,
  window = WINDOW,
  { ahead = false } = {},
): Promise<void> {
  const lease = {
    partition: 0,
    epoch: 1,
    prepared: false,
    lost: lost.signal,
    checkpoint: { sequence: 0, troubles: new Map(), previous: undefined, tidied: () => {} },
    trusted: () => trusted && !lost.signal.aborted,
    commit: async (sequence: number) => {
      await onCommit();
      commits.push(sequence);
    },
    note: () => Promise.resolve(),
  };
  server = new FakeConnection();
  const link = {
    manager: {
      consumers: {
        add: (_stream: string, config: { durable_name: string; opt_start_seq?: number }) => {
          made.push([config.durable_name, config.opt_start_seq]);
          return Promise.resolve({ config, delivered: { consumer_seq: 0 } });
        },
        delete: (_stream: string, name: string) => {
          removed.push(name);
          return Promise.resolve(true);
        },
      },
    },
    connection: server.asConnection,
  };
  const eachMessage: EachMessage = async (message) => {
    const name = message.string();
    calls.push(name);
    await new Promise<void>((resolve, reject) => {
      ends.set(name, (error) => (error === undefined ? resolve() : reject(error)));
    });
  };
  const deliver = (): Delivery =>
    new Delivery({
      link: link as unknown as Link,
      stream: "S",
      durable: "G-p0-e1",
      workQueue,
      heartbeatMs: HEARTBEAT_MS,
      askedAhead: { messages: new Credit(mostHeld(window)).limit, bytes: LIMIT_BYTES },
    });
  pump = new Pump({
    clock,
    link: link as unknown as Link,
    lease: lease as unknown as Lease,
    stream: "S",
    workQueue,
    subject: "s",
    group: "G",
    dispatch: dispatchFor({ eachMessage }, concurrency),
    commit: { intervalMs: 60_000, window },
    limitBytes: () => LIMIT_BYTES,
    deliver,
    poison: new PoisonOfPartition({
      settings: { policy: "block", maxAttempts: 10 },
      letters: () => expect.fail("nothing is set aside"),
      group: "G",
      memberId: "m",
      partition: 0,
      onSetAside: () => {},
    }),
    breather: new Breather(),
    meter: new WorkMeter(),
    gate: undefined,
    queues: { creations: new PQueue({ concurrency: 1 }), preparations },
    onCommitted: () => {},
    onInterrupted: () => interruptions++,
    onError: ({ code }) => errors.push(code),
  });
  await pump.start(ahead ? deliver() : undefined);
}

/** Has messages delivered, each named by its key and its sequence; `?` asks another group for a replay. */
async function come(...names: string[]): Promise<void> {
  for (const name of names) {
    const sequence = Number(name.slice(1));
    const given = headers();
    const asks = name.startsWith("?");
    if (asks) given.set("Docktor-Replay", "OTHER 1");
    else given.set("Docktor-Key", name.slice(0, 1));
    server.deliver({
      sequence,
      pending: 1,
      data: asks ? "" : name,
      headers: given,
      onAck: () => acks.push(sequence),
    });
  }
  await settled();
}

async function end(name: string, error?: Error): Promise<void> {
  const ending = ends.get(name) ?? expect.fail(`${name} is not under way`);
  ends.delete(name);
  ending(error);
  await settled();
}

describe("a partition that another may own by now", () => {
  test("has no handler started, also for what was delivered before", async () => {
    await flow();
    await come("a1", "a2");
    trusted = false;
    await end("a1");
    await come("a3");
    expect(calls).toEqual(["a1"]);
  });

  test("has no handler called again after a failure", async () => {
    await flow();
    await come("a1");
    trusted = false;
    await end("a1", new Error("broken"));
    await clock.advance(60_000);
    expect([calls, errors]).toEqual([["a1"], ["HANDLER_FAILED"]]);
  });

  test("has nothing acknowledged of which the commit was answered too late", async () => {
    workQueue = true;
    await flow();
    onCommit = async () => void (trusted = false);
    await come("a1");
    await end("a1");
    await pump.flush();
    expect([commits, acks]).toEqual([[1], []]);
  });
});

describe("a partition that is lost", () => {
  test("while it begins has its durable removed, and nothing is asked for any more that was asked for ahead", async () => {
    trusted = false;
    await flow(undefined, WINDOW, { ahead: true });
    expect([server.asked.length, server.subscribed, removed]).toEqual([1, false, ["G-p0-e1"]]);
  });

  test("has nothing committed or acknowledged of what ends afterwards, and nothing started", async () => {
    workQueue = true;
    await flow({ perPartition: 2, by: "key" });
    await come("a1", "b2", "a3");
    lost.abort(new DocktorError("FENCED", "another has it"));
    await end("b2");
    await end("a1");
    await come("c4");
    expect([calls, commits, acks]).toEqual([["a1", "b2"], [], []]);
  });

  test("is over when the last handler has returned, and not before", async () => {
    await flow();
    await come("a1");
    let over = false;
    void pump.abort().then(() => (over = true));
    await settled();
    expect(over).toBe(false);
    await end("a1");
    expect(over).toBe(true);
  });
});

describe("a hand-over", () => {
  test("commits what was under way, and acknowledges nothing where the stream keeps it", async () => {
    await flow();
    await come("a1");
    const finished = pump.finish();
    await end("a1");
    await finished;
    expect([commits, acks]).toEqual([[1], []]);
  });

  test("lets the handler under way finish, commits and acknowledges it, and starts none behind it", async () => {
    workQueue = true;
    await flow();
    await come("a1", "a2");
    const finished = pump.finish();
    await settled();
    expect(commits).toEqual([]);
    await end("a1");
    await finished;
    expect([calls, commits, acks]).toEqual([["a1"], [1], [1]]);
  });

  test("starts what lies before a message that was started, and nothing beyond: none is handled twice", async () => {
    await flow({ perPartition: 2, by: "key" });
    await come("a1", "a2", "b3", "a4");
    const finished = pump.finish();
    await end("b3");
    await end("a1");
    await end("a2");
    await finished;
    expect([calls, commits]).toEqual([["a1", "b3", "a2"], [3]]);
  });
});

describe("the next epoch's durable", () => {
  test("begins behind what is handled when its turn has come, though nothing is committed", async () => {
    await flow(undefined, 100);
    preparations.pause();
    await come("a1", "b2", "c3");
    const prepared = pump.prepareNext();
    await end("a1");
    await end("b2");
    preparations.start();
    expect(await prepared).toBe(2);
    expect([made, commits]).toEqual([
      [
        ["G-p0-e1", 1],
        ["G-p0-e2", 3],
      ],
      [],
    ]);
  });

  test("is not made any more once the partition is given up: whoever waited has gone on without it", async () => {
    await flow();
    preparations.pause();
    const prepared = pump.prepareNext();
    await pump.finish();
    preparations.start();
    await expect(prepared).rejects.toThrow();
    expect(made).toEqual([["G-p0-e1", 1]]);
  });
});

describe("a hand-over with a handler that fails, while later keys are handled", () => {
  test("calls it again until it succeeds: without it nothing of them could be committed", async () => {
    await flow({ perPartition: 2, by: "key" });
    await come("a1", "b2");
    await end("b2");
    await end("a1", new Error("broken"));
    const finished = pump.finish();
    await settled();
    await end("a1", new Error("broken again"));
    await clock.advance(200);
    await end("a1");
    await finished;
    expect([calls, commits]).toEqual([["a1", "b2", "a1", "a1"], [2]]);
  });

  test("does so no longer than it owns the partition", async () => {
    await flow({ perPartition: 2, by: "key" });
    await come("a1", "b2");
    await end("b2");
    await end("a1", new Error("broken"));
    void pump.finish().catch(() => {});
    await settled();
    await end("a1", new Error("broken again"));
    lost.abort(new DocktorError("DRAIN_TIMEOUT", "it takes too long"));
    await pump.abort();
    expect([calls, commits]).toEqual([["a1", "b2", "a1"], []]);
  });

  test("leaves the last one that was started to the next owner", async () => {
    await flow({ perPartition: 2, by: "key" });
    await come("a1", "b2");
    await end("a1");
    await end("b2", new Error("broken"));
    await pump.finish();
    expect([calls, commits]).toEqual([["a1", "b2"], [1]]);
  });
});

describe("messages are asked for", () => {
  const names = (count: number): string[] =>
    Array.from({ length: count }, (_, i) => `${i === 0 ? "a" : "b"}${i + 1}`);

  test("so many as may be held, and no more while their handler hangs", async () => {
    await flow(undefined, 1_000);
    await come(...names(LEAST));
    expect([calls, server.asked]).toEqual([["a1"], [LEAST]]);
  });

  test("twice as many when the handler has to wait although there are more", async () => {
    await flow(undefined, 1_000);
    for (const name of names(LEAST)) await come(name).then(() => end(name));
    const sum = server.asked.reduce((total, count) => total + count, 0);
    expect(sum).toBeGreaterThan(2 * LEAST);
  });

  test("also while one key waits: what is handled behind it is not held", async () => {
    await flow({ perPartition: 2, by: "key" }, 1_000);
    const all = names(10 * LEAST);
    await come(all[0] ?? "");
    for (const name of all.slice(1)) {
      await come(name);
      await end(name);
    }
    const sum = server.asked.reduce((total, count) => total + count, 0);
    expect(sum).toBeGreaterThan(all.length);
  });
});

describe("the oldest message", () => {
  test("is the first one whose handler was called, and not one that waits for its key", async () => {
    await flow({ perPartition: 2, by: "key" }, 100);
    await come("a1", "b2", "a3", "c4", "d5");
    expect(pump.oldest).toBe(1);
    // Those that wait for nobody come before the one that waited for its key.
    await end("a1");
    await end("b2");
    expect([calls, pump.oldest]).toEqual([["a1", "b2", "c4", "d5"], 4]);
    await end("c4");
    expect([calls.at(-1), pump.oldest]).toEqual(["a3", 3]);
    await end("a3");
    await end("d5");
    expect(pump.oldest).toBeUndefined();
  });

  test("stays the oldest between two attempts", async () => {
    await flow();
    await come("a1");
    await end("a1", new Error("broken"));
    expect(pump.oldest).toBe(1);
  });
});

describe("a partition whose durable is gone", () => {
  const gone = (): void => server.say(503, "No Responders");

  test("is claimed anew at once", async () => {
    await flow();
    await come("a1");
    gone();
    await settled();
    expect(interruptions).toBe(1);
  });

  test("is claimed anew after a moment when nothing had come at all: the next one may fare no better", async () => {
    await flow();
    gone();
    await clock.advance(249);
    expect(interruptions).toBe(0);
    await clock.advance(1);
    expect(interruptions).toBe(1);
  });
});

test("a connection that takes nothing more, as it is being closed, is asked for nothing", async () => {
  await flow(undefined, 1_000);
  await come("a1");
  server.closing = true;
  const over = pump.abort();
  await end("a1");
  await over;
  expect(errors).toEqual([]);
});

test("as many bytes as may be held are asked for, however many were handled before", async () => {
  await flow(undefined, 1_000);
  const asked = (): number => server.askedBytes.at(-1) ?? 0;
  for (let sequence = 1; sequence <= 200; sequence++) {
    await come(`a${sequence}`);
    await end(`a${sequence}`);
  }
  expect(server.asked.length).toBeGreaterThan(1);
  expect(asked()).toBe(LIMIT_BYTES - MESSAGE_BYTES);
});

test("no more than the window is handled and not committed, whatever has been delivered", async () => {
  await flow();
  onCommit = () => new Promise(() => {});
  const names = Array.from({ length: 3 * WINDOW }, (_, i) => `a${i + 1}`);
  await come(...names);
  for (const name of names.slice(0, WINDOW)) await end(name);
  expect(calls).toEqual(names.slice(0, WINDOW));
});

test("what another group is asked to replay counts as handled, and holds no commit up", async () => {
  await flow();
  await come("?1", "a2", "?3");
  await end("a2");
  await pump.flush();
  expect([calls, commits.at(-1)]).toEqual([["a2"], 3]);
});
