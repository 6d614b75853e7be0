/** What becomes of messages, over dead letters in memory and with time in the test's hands. */
import { headers } from "@nats-io/transport-node";
import { beforeEach, describe, expect, test } from "vitest";
import type { Delivered } from "../../src/consumer/delivery/delivered.ts";
import { Handling, type Outcome } from "../../src/consumer/handling/handling.ts";
import { Message } from "../../src/consumer/message.ts";
import { type PoisonPolicy, PoisonOfPartition } from "../../src/consumer/dead-letters/poison.ts";
import { encodeReplay } from "../../src/consumer/dead-letters/replay.ts";
import type { ConsumerEvents } from "../../src/events.ts";
import type { Lease } from "../../src/lease/lease.ts";
import type { Trouble } from "../../src/lease/records.ts";
import { ManualClock } from "../support/clock.ts";
import { delivered } from "../support/delivered.ts";
import { FakeLetters } from "../support/fake-letters.ts";

let clock: ManualClock;
let letters: FakeLetters;
let troubles: Map<number, Trouble>;
let ended: AbortController;
let told: Partial<ConsumerEvents["message:dead-lettered"][0]>[];
let errors: string[];
/** Names of messages on which the handler fails. */
let broken: Set<string>;
/** What the handler was called with: name and attempt. */
let calls: string[];
let handling: Handling;
let poison: PoisonOfPartition;

beforeEach(() => {
  [clock, letters, ended] = [new ManualClock(), new FakeLetters(), new AbortController()];
  [troubles, told, errors, broken, calls] = [new Map(), [], [], new Set(), []];
});

function follow(policy: PoisonPolicy, maxAttempts = 2): void {
  poison = new PoisonOfPartition({
    settings: { policy, maxAttempts },
    letters: letters.open,
    group: "G",
    memberId: "m",
    partition: 0,
    onSetAside: ({ message, reason, attempts, deadLetter }) => {
      told.push({ sequence: message.sequence, reason, attempts, deadLetter });
    },
  });
  handling = new Handling({
    clock,
    lease: { checkpoint: { troubles } } as unknown as Lease,
    poison,
    mayStart: () => true,
    ended: ended.signal,
    owed: () => false,
    onTrouble: () => {},
    onError: ({ message }) => errors.push(message),
  });
}

/** The message of that name, whose key is the name's first letter; or one that asks for a replay. */
function raw(sequence: number, asked: string | { group: string; id: number }): Delivered {
  const given = typeof asked === "string" ? headers() : encodeReplay(asked);
  if (typeof asked === "string" && asked !== "") given.set("Docktor-Key", asked.slice(0, 1));
  return delivered({ sequence, headers: given, data: typeof asked === "string" ? asked : "" });
}

/** Handles messages together, and lets all the time pass that they need. */
async function handle(...messages: Message[]): Promise<Outcome> {
  const handled = handling.handle(messages, () => {
    calls.push(messages.map((each) => `${each.string()}#${each.attempt}`).join("+"));
    for (const each of messages) if (broken.has(each.string())) throw new Error("broken");
  });
  await clock.advance(60_000);
  return await handled;
}

const message = (sequence: number, name: string): Message => Message.from(raw(sequence, name), 0);

async function replay(sequence: number, id: number, group = "G"): Promise<Message> {
  const read = await handling.read(raw(sequence, { group, id }));
  return read instanceof Message ? read : expect.fail(`nothing to replay, but ${read}`);
}

test("what was set aside while its handler hung is not set aside again when that fails after all", async () => {
  follow("dead-letter", 1);
  const hung = raw(7, "a1");
  await handling.setAside(Message.from(hung, 0), "stalled");
  broken.add("a1");
  expect(await handle(Message.from(hung, 0))).toBe("handled");
  expect(told.map(({ reason }) => reason)).toEqual(["stalled"]);
});

describe("a message that keeps failing", () => {
  test("is set aside after its attempts, and counts as handled", async () => {
    follow("dead-letter");
    broken.add("a1");
    expect(await handle(message(1, "a1"))).toBe("handled");
    expect(calls).toEqual(["a1#1", "a1#2"]);
    expect(told).toEqual([{ sequence: 1, reason: "failed", attempts: 2, deadLetter: 1 }]);
    expect(letters.stored.get(1)).toMatchObject({ key: "a", error: "broken", attempts: 2 });
  });

  test("is set aside without a call when the owners before have used its attempts up", async () => {
    follow("dead-letter");
    troubles.set(1, { failures: 2, error: "broken there" });
    expect(await handle(message(1, "a1"))).toBe("handled");
    expect(calls).toEqual([]);
    expect(letters.stored.get(1)).toMatchObject({ error: "broken there", attempts: 2 });
  });

  test("is not given up when it cannot be stored: that is told, and tried again", async () => {
    follow("dead-letter", 1);
    broken.add("a1");
    letters.failures = 3;
    expect(await handle(message(1, "a1"))).toBe("handled");
    expect(errors.filter((text) => text === "no answer")).toHaveLength(3);
    expect([calls, letters.stored.size, told.length]).toEqual([["a1#1"], 1, 1]);
  });

  test("is left to the next owner when the partition ends before it is stored", async () => {
    follow("dead-letter", 1);
    broken.add("a1");
    letters.failures = 1_000;
    const handled = handle(message(1, "a1"));
    ended.abort();
    expect([await handled, told]).toEqual(["ended", []]);
  });

  test("is given up at once when its partition ends during the pause before its next attempt", async () => {
    follow("block");
    const handled = handling.handle([message(1, "a1")], () => {
      throw new Error("broken");
    });
    await clock.advance(50);
    ended.abort();
    expect(await handled).toBe("ended");
    expect(troubles.get(1)).toEqual({ failures: 1, error: "broken" });
  });

  test("in a batch counts against nobody until it is alone", async () => {
    follow("dead-letter");
    broken.add("b2");
    expect(await handle(message(1, "a1"), message(2, "b2"))).toBe("split");
    expect([troubles.size, told]).toEqual([0, []]);
    expect(await handle(message(2, "b2"))).toBe("handled");
    expect(told).toMatchObject([{ sequence: 2, attempts: 2 }]);
  });

  test("and was found hanging at the same time is set aside and told once", async () => {
    follow("dead-letter", 1);
    broken.add("a1");
    const one = message(1, "a1");
    const put = letters.put.bind(letters);
    letters.put = async (letter) => {
      await clock.sleep(10);
      return await put(letter);
    };
    await Promise.all([handling.setAside(one, "stalled"), handle(one)]);
    expect([letters.stored.size, told.length]).toEqual([1, 1]);
  });
});

test("a message that has hung before is known to have, also after it has failed", async () => {
  follow("dead-letter", 3);
  troubles.set(1, { failures: 1, error: "under way for too long", stalled: true });
  broken.add("a1");
  await handle(message(1, "a1"));
  expect(troubles.get(1)).toMatchObject({ failures: 3, error: "broken", stalled: true });
});

test("of an error no more is kept than fits a record with many of them", async () => {
  follow("dead-letter", 1);
  const handled = handling.handle([message(1, "a1")], () => {
    throw new Error("x".repeat(100_000));
  });
  expect(await handled).toBe("handled");
  expect(troubles.get(1)?.error.length).toBeLessThan(1_000);
});

describe("a parked key", () => {
  beforeEach(async () => {
    follow("park-key", 1);
    broken.add("a1");
    await handle(message(1, "a1"));
    calls.length = 0;
  });

  test("takes its later messages with it, and no others", async () => {
    expect(await handle(message(2, "a2"))).toBe("handled");
    await handle(message(3, "b3"));
    await handle(message(4, ""));
    expect(calls).toEqual(["b3#1", "#1"]);
    expect(told.at(-1)).toEqual({ sequence: 2, reason: "parked", attempts: 0, deadLetter: 2 });
  });

  test("is free once its letters are gone, whoever removed them", async () => {
    letters.stored.clear();
    await handle(message(2, "a2"));
    expect(calls).toEqual(["a2#1"]);
  });

  test("may be that of messages without a key", async () => {
    broken.add("");
    await handle(message(2, ""));
    await handle(message(3, ""));
    expect(told.slice(1).map(({ reason }) => reason)).toEqual(["failed", "parked"]);
  });

  test("is known to the next owner", async () => {
    follow("park-key", 1);
    await poison.open();
    await handle(message(2, "a2"));
    expect([calls, letters.stored.size]).toEqual([[], 2]);
  });
});

describe("a replayed dead letter", () => {
  beforeEach(async () => {
    follow("park-key", 1);
    broken.add("a1");
    await handle(message(1, "a1"));
    await handle(message(2, "a2"));
    [calls.length, told.length] = [0, 0];
  });

  test("is removed once it is handled", async () => {
    broken.clear();
    expect(await handle(await replay(3, 1))).toBe("handled");
    expect([calls, [...letters.stored.keys()]]).toEqual([["a1#1"], [2]]);
  });

  test("stays when it fails again, and is told under its id", async () => {
    expect(await handle(await replay(3, 1))).toBe("handled");
    expect([...letters.stored.keys()]).toEqual([1, 2]);
    expect(told).toEqual([{ sequence: 3, reason: "failed", attempts: 1, deadLetter: 1 }]);
  });

  test("waits while an earlier one of its key is there", async () => {
    expect(await handle(await replay(3, 2))).toBe("handled");
    expect([calls, letters.stored.size]).toEqual([[], 2]);
  });

  test("that is asked for again while it is tried is not handled twice", async () => {
    broken.clear();
    const first = await replay(3, 1);
    expect(await handling.read(raw(4, { group: "G", id: 1 }))).toBeUndefined();
    await handle(first);
    expect(await handling.read(raw(5, { group: "G", id: 1 }))).toBeUndefined();
    expect(calls).toEqual(["a1#1"]);
  });

  test("may be tried again after it has failed, and after it had to wait", async () => {
    await handle(await replay(3, 2));
    await handle(await replay(4, 1));
    broken.clear();
    await handle(await replay(5, 1));
    await handle(await replay(6, 2));
    expect([calls, letters.stored.size]).toEqual([["a1#1", "a1#1", "a2#1"], 0]);
  });

  test("of another group, of another partition, or gone, is none", async () => {
    expect(await handling.read(raw(3, { group: "OTHER", id: 1 }))).toBeUndefined();
    expect(await handling.read(raw(4, { group: "G", id: 99 }))).toBeUndefined();
    const [letter] = letters.stored.values();
    if (letter !== undefined) letters.stored.set(3, { ...letter, id: 3, partition: 5 });
    expect(await handling.read(raw(5, { group: "G", id: 3 }))).toBeUndefined();
  });

  test("is read until the answer comes, or the partition ends", async () => {
    letters.failures = 2;
    const read = handling.read(raw(3, { group: "G", id: 1 }));
    await clock.advance(1_000);
    expect(await read).toBeInstanceOf(Message);
    letters.failures = 1_000;
    const another = handling.read(raw(4, { group: "G", id: 2 }));
    ended.abort();
    expect(await another).toBe("ended");
  });
});
