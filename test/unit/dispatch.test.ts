/** The ways to hand messages to a handler, fed by the test. */
import { beforeEach, describe, expect, test } from "vitest";
import { type Dispatch, dispatchFor, type Intake } from "../../src/consumer/handling/dispatch.ts";
import type { Outcome } from "../../src/consumer/handling/handling.ts";
import type { Message } from "../../src/consumer/message.ts";

/** What came and was not taken yet. */
let waiting: Message[];
/** What was handed to the handler and has not ended. */
let underWay: Map<string, (outcome: Outcome) => void>;
/** What was handed to the handler, in order. */
let begun: string[];
let ended: boolean;
/** Whether nothing more will be handed out, as when the partition is given up. */
let over: boolean;
let wake: () => void;

beforeEach(() => {
  underWay = new Map();
  [waiting, begun, ended, over] = [[], [], false, false];
  wake = () => {};
});

const settled = (): Promise<void> => new Promise((resolve) => setImmediate(resolve));

/** Has messages come, each named by its key and a number. */
async function come(...names: string[]): Promise<void> {
  for (const name of names) {
    const [, key = "", number] = /^(\D*)(\d+)$/.exec(name) ?? [];
    waiting.push({ key: key || undefined, partition: 0, sequence: Number(number) } as Message);
  }
  wake();
  await settled();
}

/** Hands out no more. */
async function giveUp(): Promise<void> {
  over = true;
  wake();
  await settled();
}

function run(dispatch: Dispatch): void {
  const intake: Intake = {
    context: { signal: new AbortController().signal, epoch: 1 },
    takeNow: () => undefined,
    take: async (max) => {
      while (waiting.length === 0 && !over) await new Promise<void>((resolve) => (wake = resolve));
      return over ? undefined : waiting.splice(0, max);
    },
    handle: async (messages, call) => {
      await call();
      const name = messages.map(({ key, sequence }) => `${key ?? ""}${sequence}`).join("+");
      begun.push(name);
      return await new Promise<Outcome>((resolve) => underWay.set(name, resolve));
    },
  };
  void dispatch(intake).then(() => (ended = true));
}

/** Ends what was handed to the handler. */
async function end(name: string, outcome: Outcome = "handled"): Promise<void> {
  const resolve = underWay.get(name) ?? expect.fail(`${name} is not under way`);
  underWay.delete(name);
  resolve(outcome);
  await settled();
}

const eachMessage = (): void => {};

describe("several keys at a time", () => {
  beforeEach(() => run(dispatchFor({ eachMessage }, { perPartition: 2, by: "key" })));

  test("are as many as is allowed, and each of them in order", async () => {
    await come("a1", "a2", "b1", "c1");
    expect(begun).toEqual(["a1", "b1"]);
    await end("b1");
    expect(begun).toEqual(["a1", "b1", "c1"]);
    await end("a1");
    expect(begun).toEqual(["a1", "b1", "c1", "a2"]);
  });

  test("stay in order when more comes while one of them is under way", async () => {
    await come("a1", "a2");
    await end("a1");
    await come("a3");
    expect(begun).toEqual(["a1", "a2"]);
    await end("a2");
    expect(begun).toEqual(["a1", "a2", "a3"]);
  });

  test("count as one where messages have no key", async () => {
    await come("1", "2");
    expect(begun).toEqual(["1"]);
  });

  test("stop where a message was given up: none of its key comes before it, and other keys may end", async () => {
    await come("a1", "b1", "a2", "b2", "a3");
    await giveUp();
    await end("a1", "ended");
    await end("b1");
    expect(begun).toEqual(["a1", "b1", "b2"]);
    await end("b2");
    expect([begun, ended]).toEqual([["a1", "b1", "b2"], true]);
  });

  test("have ended when nothing more comes and no handler runs, and no sooner", async () => {
    await come("a1", "b1", "a2");
    await giveUp();
    await end("b1");
    await end("a1");
    expect(ended).toBe(false);
    await end("a2");
    expect(ended).toBe(true);
  });
});

describe.each([
  ["one message at a time", dispatchFor({ eachMessage }, undefined), "1"],
  ["one batch at a time", dispatchFor({ eachBatch: eachMessage }, undefined), "1+2"],
])("%s", (_, dispatch, first) => {
  beforeEach(async () => {
    const coming = come("1", "2");
    run(dispatch);
    await coming;
  });

  test("comes after the one before has ended", async () => {
    await come("3");
    expect(begun).toEqual([first]);
    await end(first);
    expect(begun).toHaveLength(2);
  });

  test("ends when it is given up, and begins no other", async () => {
    await come("3");
    await end(first, "ended");
    expect([begun, ended]).toEqual([[first], true]);
  });

  test("ends when nothing more comes", async () => {
    await giveUp();
    await end(first);
    expect([begun, ended]).toEqual([[first], true]);
  });
});
