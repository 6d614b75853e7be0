import { afterEach, beforeEach, describe, expect, test, vi } from "vitest";
import { lookIntervalMs, watchLiveness } from "../../src/lease/liveness.ts";
import { MemoryStore } from "../support/memory-store.ts";
import { changeRoster, type Members, readRoster, withMember } from "../../src/lease/roster.ts";
import { Session } from "../../src/lease/session.ts";
import { ManualClock } from "../support/clock.ts";

const TTL = 3_000;
const identity = { stream: "S", subject: "s", group: "G" };

let clock: ManualClock;
let sessions: MemoryStore;
let leases: MemoryStore;
let stop: AbortController;
let open: Session[];

beforeEach(() => {
  clock = new ManualClock();
  sessions = new MemoryStore(clock, TTL);
  leases = new MemoryStore(clock);
  stop = new AbortController();
  open = [];
});

afterEach(() => {
  stop.abort();
  for (const session of open) session.abandon();
});

async function join(memberId: string): Promise<Session> {
  const session = await Session.open({ store: sessions, clock, memberId, ttlMs: TTL });
  open.push(session);
  const { incarnation } = session;
  await changeRoster(leases, identity, (roster) =>
    withMember({ ...identity, members: {}, ...roster, ttlMs: TTL }, memberId, {
      incarnation,
      state: "active",
      startedAt: 0,
    }),
  );
  return session;
}

/** Looks after the group as that member does, with a view that is always up to date. */
async function look(
  session: Session,
  onError = (error: unknown): void => expect.fail(String(error)),
): Promise<void> {
  let members: Members = {};
  const refresh = async (): Promise<void> => {
    members = (await readRoster(leases, identity))?.roster.members ?? {};
  };
  await refresh();
  const current = (): Members => {
    void refresh();
    return members;
  };
  void watchLiveness(
    { clock, identity, sessions, leases, session, members: current, onError },
    stop.signal,
  );
}

async function roster(): Promise<string[]> {
  return Object.keys((await readRoster(leases, identity))?.roster.members ?? {}).sort();
}

describe("looking after the group", () => {
  test("takes a member off the roster once its session is gone, and no earlier", async () => {
    const [a, b] = [await join("a"), await join("b")];
    await look(a);
    await clock.advance(2 * TTL);
    expect(await roster()).toEqual(["a", "b"]);
    b.abandon();
    await clock.advance(TTL / 2);
    expect(await roster()).toEqual(["a", "b"]);
    await clock.advance(TTL / 2 + 2 * lookIntervalMs(2, TTL));
    expect(await roster()).toEqual(["a"]);
  });

  test("gives members it has never seen alive one TTL to come back, as after an outage", async () => {
    const gone = await join("gone");
    gone.abandon();
    await clock.advance(2 * TTL);
    const a = await join("a");
    await look(a);
    await clock.advance(TTL - 2 * lookIntervalMs(2, TTL));
    expect(await roster()).toEqual(["a", "gone"]);
    await clock.advance(4 * lookIntervalMs(2, TTL));
    expect(await roster()).toEqual(["a"]);
  });

  test("leaves a member alone that came back as another incarnation", async () => {
    const [a, before] = [await join("a"), await join("b")];
    await look(a);
    await clock.advance(TTL);
    before.abandon();
    await clock.advance(TTL / 2);
    const after = await Session.open({
      store: sessions,
      clock,
      memberId: "b",
      ttlMs: TTL,
      previous: before.incarnation,
    });
    open.push(after);
    await clock.advance(2 * TTL);
    expect(await roster()).toEqual(["a", "b"]);
  });

  test("finds a member dead that it has seen alive, also when it has just joined itself", async () => {
    const b = await join("b");
    b.abandon();
    await clock.advance(TTL - 3 * lookIntervalMs(2, TTL));
    await look(await join("a"));
    await clock.advance(5 * lookIntervalMs(2, TTL));
    expect(await roster()).toEqual(["a"]);
  });

  test("leaves a member alone that was missing at the look and is there when it is to be declared dead", async () => {
    const [a] = [await join("a"), await join("b")];
    const live = sessions.live.bind(sessions);
    sessions.live = async () => ({ ...(await live()), keys: new Set(["a"]) });
    await look(a);
    await clock.advance(2 * TTL);
    expect(await roster()).toEqual(["a", "b"]);
  });

  test("declares nobody dead once its own session may have expired", async () => {
    const [a, b] = [await join("a"), await join("b")];
    await look(a);
    await clock.advance(TTL);
    for (const session of [a, b]) session.abandon();
    clock.freeze(TTL);
    await clock.advance(TTL);
    expect(await roster()).toEqual(["a", "b"]);
  });

  test("goes on after a look that failed, and tells of it", async () => {
    const [a, b] = [await join("a"), await join("b")];
    const live = sessions.live.bind(sessions);
    const failed: unknown[] = [];
    sessions.live = () => Promise.reject(new Error("no answer"));
    await look(a, (error) => failed.push(error));
    await clock.advance(2 * lookIntervalMs(2, TTL));
    expect(failed).toContainEqual(new Error("no answer"));
    sessions.live = live;
    b.abandon();
    await clock.advance(2 * TTL);
    expect(await roster()).toEqual(["a"]);
  });

  test("puts the time to live right that another member's race has changed", async () => {
    const a = await join("a");
    await look(a);
    await sessions.setTtl(TTL * 10);
    await clock.advance(TTL);
    expect((await sessions.live()).ttlMs).toBe(TTL);
  });

  test("takes nobody for dead whose session was forgotten too soon: its owner still trusts it", async () => {
    const [a, b] = [await join("a"), await join("b")];
    await look(a);
    await clock.advance(TTL);
    // As a newcomer does that found nobody here: for a moment, sessions live no longer than it wants.
    await sessions.setTtl(TTL / 10);
    await sessions.delete("b", (await sessions.get("b"))?.revision ?? 0);
    const live = sessions.live.bind(sessions);
    sessions.live = async () => ({ ...(await live()), keys: new Set(["a"]) });
    while (b.trusted()) {
      expect(await roster()).toEqual(["a", "b"]);
      await clock.advance(lookIntervalMs(2, TTL) / 2);
    }
    await clock.advance(TTL + 2 * lookIntervalMs(2, TTL));
    expect(await roster()).toEqual(["a"]);
  });

  test("takes a member off the roster at the next look when that was not answered at first", async () => {
    const [a, b] = [await join("a"), await join("b")];
    const failed: unknown[] = [];
    await look(a, (error) => failed.push(error));
    await clock.advance(TTL);
    b.abandon();
    const write = leases.write.bind(leases);
    leases.write = () => Promise.reject(new Error("no answer"));
    await clock.advance(TTL + 2 * lookIntervalMs(2, TTL));
    expect([await roster(), failed.length > 0]).toEqual([["a", "b"], true]);
    leases.write = write;
    await clock.advance(2 * lookIntervalMs(2, TTL));
    expect(await roster()).toEqual(["a"]);
  });

  test("asks for no single session while nobody is away", async () => {
    const [a] = [await join("a"), await join("b")];
    const get = vi.spyOn(sessions, "get");
    await look(a);
    await clock.advance(2 * TTL);
    expect(get).not.toHaveBeenCalled();
  });

  test("costs the group no more when it grows", () => {
    const looksPerSecond = (members: number): number =>
      (members * 1_000) / lookIntervalMs(members, 60_000);
    for (const members of [2, 10, 64, 500]) expect(looksPerSecond(members)).toBeLessThanOrEqual(20);
    expect(lookIntervalMs(1, 60_000)).toBe(30_000);
  });
});
