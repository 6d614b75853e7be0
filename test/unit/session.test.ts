/** What a session promises, over the store in memory, with time and faults in the test's hands. */
import { afterEach, beforeEach, describe, expect, test, vi } from "vitest";
import { DocktorError } from "../../src/errors.ts";
import { declareDead, Session, silenceMs } from "../../src/lease/session.ts";
import { settle } from "../../src/lease/settle.ts";
import { ABSENT } from "../../src/lease/store.ts";
import { ManualClock } from "../support/clock.ts";
import { MemoryStore } from "../support/memory-store.ts";

const TTL = 3_000;
/** When a session is renewed first. */
const RENEWAL = TTL / 3;
const code = (value: string): unknown => expect.objectContaining({ code: value });
const silence = (): Promise<never> => Promise.reject(new DocktorError("TIMEOUT", "no answer"));

let clock: ManualClock;
let sessions: MemoryStore;
let opened: Session[];

beforeEach(() => {
  clock = new ManualClock();
  sessions = new MemoryStore(clock, TTL);
  opened = [];
});

afterEach(() => {
  for (const session of opened) session.abandon();
});

async function join(memberId: string, previous?: string): Promise<Session> {
  const session = await Session.open({
    store: sessions,
    clock,
    memberId,
    ttlMs: TTL,
    ...(previous === undefined ? {} : { previous }),
  });
  opened.push(session);
  return session;
}

/** Has one write landed, and its answer held back until it is called for. */
function holdAnswer(): () => void {
  const write = sessions.write.bind(sessions);
  let answer = (): void => {};
  const called = new Promise<void>((resolve) => (answer = resolve));
  sessions.write = async (...args) => {
    sessions.write = write;
    const revision = await write(...args);
    await called;
    return revision;
  };
  return answer;
}

const recordOf = async (memberId: string): Promise<unknown> =>
  (await sessions.get(memberId))?.value;

describe("a session's trust", () => {
  test("lasts for as long as it is renewed", async () => {
    const session = await join("a");
    await clock.advance(10 * TTL);
    expect(session.trusted()).toBe(true);
  });

  test("ends before the server forgets it, when renewal fails", async () => {
    const session = await join("a");
    sessions.write = silence;
    while (session.trusted()) await clock.advance(10);
    expect(session.lost.reason).toEqual(code("SESSION_LOST"));
    expect((await sessions.live()).keys.has("a")).toBe(true);
  });

  test("outlives two renewals that got no answer", async () => {
    const session = await join("a");
    const write = sessions.write.bind(sessions);
    sessions.write = silence;
    await clock.advance(RENEWAL);
    await clock.advance(RENEWAL / 5);
    sessions.write = write;
    await clock.advance(10 * TTL);
    expect(session.trusted()).toBe(true);
  });

  test("is over after a pause beyond the TTL, from the first moment after it", async () => {
    const session = await join("a");
    clock.freeze(TTL);
    expect(session.trusted()).toBe(false);
    await clock.advance(0);
    expect(session.lost.aborted).toBe(true);
  });

  test("lasts for 87 % of a TTL from when the renewal was sent, and not a moment longer", async () => {
    const session = await join("a");
    sessions.write = silence;
    clock.freeze(0.87 * TTL - 1);
    expect(session.trusted()).toBe(true);
    clock.freeze(1);
    expect(session.trusted()).toBe(false);
  });

  test("is over before its neighbour stops waiting, though the owner's clock runs a twelfth too slow", () => {
    expect((0.87 * TTL) / (1 - 1 / 12)).toBeLessThan(silenceMs(TTL));
    expect(silenceMs(TTL)).toBeLessThan(TTL);
  });

  test("is over for good: others need not wait for one more renewal", async () => {
    const session = await join("a");
    const before = await sessions.get("a");
    clock.freeze(TTL * 0.95);
    await clock.advance(0);
    expect(session.lost.reason).toEqual(code("SESSION_LOST"));
    expect(await sessions.get("a")).toEqual(before);
  });

  test("does not come back to life when a renewal is answered too late", async () => {
    const session = await join("a");
    const answer = holdAnswer();
    await clock.advance(RENEWAL);
    // Beyond the trust there was, and within what the renewal would have brought.
    clock.freeze(TTL - RENEWAL);
    answer();
    await clock.advance(0);
    expect(session.trusted()).toBe(false);
    expect(session.lost.reason).toEqual(code("SESSION_LOST"));
  });

  test("counts from when a renewal was sent, not from when it was answered", async () => {
    const session = await join("a");
    const write = sessions.write.bind(sessions);
    sessions.write = async (...args) => {
      const revision = await write(...args);
      await clock.sleep(1_000);
      return revision;
    };
    await clock.advance(RENEWAL + 1_000);
    sessions.write = silence;
    const sentAt = clock.now() - 1_000;
    while (session.trusted()) await clock.advance(10);
    expect(clock.now() - sentAt).toBeLessThan(TTL);
  });

  test("counts from when its record was sent at first, not from when that was answered", async () => {
    const answer = holdAnswer();
    const joining = join("a");
    await clock.advance(TTL);
    answer();
    expect((await joining).trusted()).toBe(false);
  });

  test("survives a renewal that landed although its answer, and the read after it, was lost", async () => {
    const session = await join("a");
    const [write, get] = [sessions.write.bind(sessions), sessions.get.bind(sessions)];
    sessions.write = async (...args) => {
      sessions.write = write;
      await write(...args);
      return await silence();
    };
    let reads = 0;
    sessions.get = async (key) => (reads++ === 0 ? await silence() : await get(key));
    await clock.advance(2 * TTL);
    expect(session.trusted()).toBe(true);
    expect(reads).toBe(2);
  });

  test("does not grow by a renewal that was given up and had landed: it is not taken for the next one", async () => {
    const session = await join("a");
    const [write, get] = [sessions.write.bind(sessions), sessions.get.bind(sessions)];
    // One lands, and nobody hears of it; the next one is lost, and what is found is the one before.
    const [sends, reads] = [
      ["lands", "refused"],
      ["lost", "lost", "answered"],
    ];
    const unheard = async (): Promise<never> => {
      await clock.sleep(TTL / 30);
      return await silence();
    };
    sessions.write = (key, value, expected) =>
      settle({
        key,
        value,
        expected,
        send: async () => {
          const fate = sends.shift() ?? "lost";
          if (fate === "refused") return await write(key, value, expected);
          if (fate === "lands") await write(key, value, expected);
          return await unheard();
        },
        read: async () => (reads.shift() === "answered" ? await get(key) : await unheard()),
      });
    while (session.trusted()) await clock.advance(10);
    expect(reads).toEqual([]);
    expect((await sessions.live()).keys.has("a")).toBe(true);
  });

  test.each([
    ["is gone", undefined],
    ["is another life's", { incarnation: "another life" }],
    ["was marked as dead", { incarnation: "this life", expired: true }],
  ])("is over at the next renewal when its record %s, which is left as it is", async (_, found) => {
    vi.spyOn(crypto, "randomUUID").mockReturnValueOnce("this life" as "0-0-0-0-0");
    const session = await join("a");
    await sessions.delete("a", (await sessions.get("a"))?.revision ?? 0);
    if (found !== undefined) await sessions.write("a", found, ABSENT);
    await clock.advance(RENEWAL);
    expect(session.lost.reason).toEqual(code("SESSION_LOST"));
    expect(session.trusted()).toBe(false);
    expect(await recordOf("a")).toEqual(found);
  });
});

describe("a session's id", () => {
  test("is refused while a live member renews it, and that member left alone", async () => {
    const first = await join("a");
    const refused = expect(join("a")).rejects.toEqual(code("MEMBER_ID_IN_USE"));
    await clock.advance(TTL);
    await refused;
    expect(first.trusted()).toBe(true);
  });

  test("goes to one of two that want it at the same moment", async () => {
    const joining = Promise.allSettled([join("a"), join("a")]);
    await clock.advance(TTL);
    const outcomes = await joining;
    expect(outcomes.map(({ status }) => status).sort()).toEqual(["fulfilled", "rejected"]);
    expect(outcomes).toContainEqual({ status: "rejected", reason: code("MEMBER_ID_IN_USE") });
  });

  test("is free once a crashed life has expired", async () => {
    const first = await join("a");
    first.abandon();
    const second = join("a");
    await clock.advance(TTL + TTL / 10);
    expect((await second).incarnation).not.toBe(first.incarnation);
  });

  test("is free at once for its own life before, and after it was declared dead", async () => {
    const first = await join("a");
    first.abandon();
    const second = await join("a", first.incarnation);
    expect(second.trusted()).toBe(true);
    second.abandon();
    await clock.advance(TTL);
    await declareDead(sessions, "a", second.incarnation);
    expect((await join("a")).trusted()).toBe(true);
  });

  test("is not waited for any longer by a member that is told to stop", async () => {
    await join("a");
    const stop = new AbortController();
    const { signal } = stop;
    const joining = Session.open({ store: sessions, clock, memberId: "a", ttlMs: TTL, signal });
    const stopped = expect(joining).rejects.toThrow("told to stop");
    await clock.advance(0);
    stop.abort(new Error("told to stop"));
    await stopped;
  });

  test("is free at once after it was ended, even while a renewal was under way", async () => {
    const session = await join("a");
    const answer = holdAnswer();
    await clock.advance(RENEWAL);
    const ended = session.end();
    await clock.advance(0);
    answer();
    await ended;
    expect(await recordOf("a")).toBeUndefined();
  });
});

test("a session that was ended is not lost, whatever becomes of a renewal under way", async () => {
  const session = await join("a");
  const answer = holdAnswer();
  await clock.advance(RENEWAL);
  const ended = session.end();
  clock.freeze(TTL);
  answer();
  await ended;
  expect(session.lost.aborted).toBe(false);
});

describe("declaring a session dead", () => {
  test("keeps it from being renewed any more", async () => {
    const session = await join("a");
    session.abandon();
    await clock.advance(TTL);
    expect(await declareDead(sessions, "a", session.incarnation)).toBe(true);
    const record = { incarnation: session.incarnation };
    await expect(sessions.write("a", record, ABSENT)).rejects.toEqual(code("CONFLICT"));
  });

  test("is not possible while its record is there", async () => {
    const session = await join("a");
    expect(await declareDead(sessions, "a", session.incarnation)).toBe(false);
    await clock.advance(TTL);
    expect(session.trusted()).toBe(true);
  });

  test("is true for whoever comes second, and says nothing about another life", async () => {
    expect(await declareDead(sessions, "a", "gone")).toBe(true);
    expect(await declareDead(sessions, "a", "gone")).toBe(true);
    expect(await declareDead(sessions, "a", "another life")).toBe(false);
  });
});
