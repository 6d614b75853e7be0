import { describe, expect, test } from "vitest";
import { type MemberState, ROSTER_KEY } from "../../src/lease/records.ts";
import { ABSENT } from "../../src/lease/store.ts";
import { readMembers } from "../../src/partition/group-members.ts";
import { ManualClock } from "../support/clock.ts";
import { MemoryStore } from "../support/memory-store.ts";

const TTL = 1_000;

async function group(members: Record<string, MemberState>): Promise<{
  clock: ManualClock;
  leases: MemoryStore;
  sessions: MemoryStore;
}> {
  const clock = new ManualClock();
  const [leases, sessions] = [new MemoryStore(clock), new MemoryStore(clock, TTL)];
  const entries = Object.entries(members).map(([id, state]) => [
    id,
    { incarnation: `${id}-1`, state, startedAt: 7 },
  ]);
  const identity = { stream: "EVENTS", subject: "events", group: "WORKERS", ttlMs: TTL };
  const roster = { ...identity, members: Object.fromEntries(entries) };
  await leases.write(ROSTER_KEY, roster, ABSENT);
  return { clock, leases, sessions };
}

describe("a member", () => {
  test("is what it says while its session lives, and dead from then on", async () => {
    const { clock, leases, sessions } = await group({ b: "draining", a: "active" });
    const states = async (): Promise<string[]> =>
      (await readMembers(leases, sessions))?.map(({ id, state }) => `${id} ${state}`) ?? [];
    const revision = await sessions.write("a", { incarnation: "a-1" }, ABSENT);
    await sessions.write("b", { incarnation: "b-1" }, ABSENT);
    expect(await states()).toEqual(["a active", "b draining"]);
    await clock.advance(TTL - 1);
    await sessions.write("a", { incarnation: "a-1" }, revision);
    await clock.advance(1);
    expect(await states()).toEqual(["a active", "b dead"]);
  });

  test("is restarting for as long as its place is kept, with a session or without", async () => {
    const { leases, sessions } = await group({ a: "restarting" });
    const expected = [{ id: "a", state: "restarting", startedAt: 7, incarnation: "a-1" }];
    expect(await readMembers(leases, sessions)).toMatchObject(expected);
    await sessions.write("a", { incarnation: "a-1" }, ABSENT);
    expect(await readMembers(leases, sessions)).toMatchObject(expected);
  });

  test("tells what it has done, as its session says", async () => {
    const { leases, sessions } = await group({ a: "active" });
    const work = { processed: 12, busyMs: 345 };
    await sessions.write("a", { incarnation: "a-1", work }, ABSENT);
    expect(await readMembers(leases, sessions)).toMatchObject([{ id: "a", work }]);
  });

  test.each([
    ["of another life under the same id", { incarnation: "a-2" }],
    ["that was declared dead", { incarnation: "a-1", expired: true }],
  ])("does not live by a session %s", async (_what, session) => {
    const { leases, sessions } = await group({ a: "active" });
    await sessions.write("a", session, ABSENT);
    expect(await readMembers(leases, sessions)).toMatchObject([
      { id: "a", state: "dead", startedAt: 7 },
    ]);
  });

  test("is dead when the bucket of sessions is gone", async () => {
    const { leases } = await group({ a: "active" });
    expect(await readMembers(leases, undefined)).toMatchObject([{ state: "dead" }]);
  });

  test("that leaves while it is looked at is not dead but gone", async () => {
    const { leases, sessions } = await group({ a: "active" });
    const left = async (): Promise<undefined> => {
      const roster = await leases.get(ROSTER_KEY);
      const without = { ...(roster?.value as object), members: {} };
      await leases.write(ROSTER_KEY, without, roster?.revision ?? ABSENT);
    };
    expect(await readMembers(leases, Object.assign(sessions, { get: left }))).toEqual([]);
  });
});

test("a group that never had a member has no roster", async () => {
  const leases = new MemoryStore(new ManualClock());
  expect(await readMembers(leases, undefined)).toBeUndefined();
});
