/** One life of a member, over the store in memory, with time and faults in the test's hands. */
import { afterEach, beforeEach, describe, expect, test, vi } from "vitest";
import { DocktorError } from "../../src/errors.ts";
import { leaseKey, ROSTER_KEY, type Roster, type RosterMember } from "../../src/lease/records.ts";
import { changeRoster, withMember, withoutMember } from "../../src/lease/roster.ts";
import { Member, type MemberOptions } from "../../src/partition/member.ts";
import { ManualClock } from "../support/clock.ts";
import { FakeWork } from "../support/fake-work.ts";
import { MemoryStore } from "../support/memory-store.ts";

const TTL = 3_000;
const identity = { stream: "S", subject: "s", group: "G" };
const code = (value: string): unknown => expect.objectContaining({ code: value });

let clock: ManualClock;
let sessions: MemoryStore;
let leases: MemoryStore;
let work: FakeWork;
/** Who came and went, as the member tells it. */
let told: string[];
let stop: AbortController;
let joined: Member[];
/** What the member's watches wait for before they show anything. */
let onWatch: () => Promise<void>;
/** Whether the watch that is open misses what is written from now on. */
let deaf: AbortController;

beforeEach(() => {
  clock = new ManualClock();
  sessions = new MemoryStore(clock, TTL);
  leases = new MemoryStore(clock);
  work = new FakeWork();
  [told, joined, stop] = [[], [], new AbortController()];
  onWatch = () => Promise.resolve();
  const watch = leases.watch.bind(leases);
  leases.watch = async function* (filter, signal) {
    const misses = (deaf = new AbortController());
    for await (const entry of watch(filter, signal)) {
      await onWatch();
      if (!misses.signal.aborted) yield entry;
    }
  };
});

afterEach(async () => {
  for (const member of joined) member.abandon(new DocktorError("CLOSED", "the test is over"));
  await settled();
});

const settled = (): Promise<void> => clock.advance(0);

async function join(options: Partial<MemberOptions> = {}): Promise<Member> {
  const member = await Member.join({
    clock,
    identity,
    sessions,
    leases,
    memberId: "a",
    partitions: 2,
    ttlMs: TTL,
    restartDelayMs: 0,
    drainTimeoutMs: 25_000,
    lookAtStream: () => Promise.resolve({ created: "2026-01-01T00:00:00Z", lastSequence: 100 }),
    work,
    observer: {
      joined: (id) => told.push(`joined ${id}`),
      left: (id) => told.push(`left ${id}`),
      rebalanced: () => {},
      dismissed: () => undefined,
      error: (error) => told.push(`error ${error.code}`),
    },
    signal: stop.signal,
    ...options,
  });
  joined.push(member);
  return member;
}

/** Writes another member to the roster, as that one does. */
async function enter(id: string, life: Partial<RosterMember> = {}, ttlMs = TTL): Promise<void> {
  const member = {
    incarnation: `a life of ${id}`,
    state: "active" as const,
    startedAt: 0,
    ...life,
  };
  await changeRoster(leases, identity, (roster) =>
    withMember({ ...identity, members: {}, ...roster, ttlMs }, id, member),
  );
}

const roster = async (): Promise<Roster> => (await leases.get(ROSTER_KEY))?.value as Roster;
const members = async (): Promise<string[]> => Object.keys((await roster())?.members ?? {}).sort();
const lease = async (partition: number): Promise<unknown> =>
  (await leases.get(leaseKey(partition)))?.value;

/** A gate that is shut until it is opened. */
function gate(): { passed: () => Promise<void>; open: () => void } {
  let open = (): void => {};
  const opened = new Promise<void>((resolve) => (open = resolve));
  return { passed: () => opened, open };
}

describe("a member that joins", () => {
  test("is in when it sees itself, and not when it has only written itself down", async () => {
    await enter("b");
    const older = await leases.get(ROSTER_KEY);
    const watch = leases.watch.bind(leases);
    leases.watch = async function* (...args) {
      if (older !== undefined) yield older;
      yield* watch(...args);
    };
    const { passed, open } = gate();
    onWatch = passed;
    const joining = join();
    await settled();
    expect([await members(), told, joined]).toEqual([["a", "b"], ["joined b"], []]);
    open();
    await joining;
    expect(told).toEqual(["joined b", "joined a"]);
  });

  test("brings its own TTL to a group that nobody is in any more", async () => {
    await enter("b", {}, TTL * 2);
    await changeRoster(leases, identity, (now) => withoutMember(now, "b", "a life of b"));
    const member = await join();
    expect([member.ttlMs, (await roster()).ttlMs]).toEqual([TTL, TTL]);
  });

  test("takes the place of its own earlier life in the roster", async () => {
    await enter("a", { state: "draining" });
    const { incarnation } = await join();
    const { startedAt, ...entry } = (await roster()).members["a"] ?? {};
    expect(entry).toEqual({ incarnation, state: "active" });
    expect(startedAt).toBeGreaterThan(0);
  });

  test("goes back and takes the group's TTL when the group began with another meanwhile", async () => {
    const write = sessions.write.bind(sessions);
    sessions.write = async (...args) => {
      sessions.write = write;
      await enter("b", {}, TTL * 2);
      return await write(...args);
    };
    const member = await join();
    expect([member.ttlMs, (await roster()).ttlMs]).toEqual([TTL * 2, TTL * 2]);
    expect((await sessions.live()).ttlMs).toBe(TTL * 2);
  });

  test("and is told to stop leaves nothing behind", async () => {
    const { passed, open } = gate();
    onWatch = passed;
    const joining = join();
    await settled();
    stop.abort(new DocktorError("CLOSED", "told to stop"));
    open();
    await expect(joining).rejects.toEqual(code("CLOSED"));
    expect([await members(), await sessions.get("a")]).toEqual([[], undefined]);
    await enter("b");
    await clock.advance(2 * TTL);
    expect(told).not.toContain("joined b");
    expect((await sessions.live()).keys).toEqual(new Set());
  });

  test("tells of a member that came back as another life that one left and one joined", async () => {
    await join();
    await enter("b");
    await settled();
    await enter("b", { incarnation: "another life of b" });
    await settled();
    expect(told).toEqual(["joined a", "joined b", "left b", "joined b"]);
  });
});

describe("a member that drains", () => {
  test("is draining in the roster while it hands over, and gone afterwards", async () => {
    const member = await join();
    await settled();
    const before = (await roster()).members["a"];
    const { passed, open } = gate();
    work.onFinish = passed;
    const drained = member.drain();
    await clock.advance(TTL);
    expect((await roster()).members["a"]).toEqual({ ...before, state: "draining" });
    open();
    await drained;
    expect([await members(), told]).toEqual([[], ["joined a", "left a"]]);
    expect([await lease(0), await lease(1)]).toEqual([{ epoch: 1 }, { epoch: 1 }]);
  });

  test("leaves no session behind that others would have to wait for", async () => {
    const member = await join();
    await member.drain();
    expect(await sessions.get("a")).toBeUndefined();
    await clock.advance(TTL);
    expect(await sessions.get("a")).toBeUndefined();
  });

  test("while its claims are under way waits for them, and gives up what they brought", async () => {
    const { passed, open } = gate();
    const write = leases.write.bind(leases);
    leases.write = async (key, value, expected) => {
      if (key !== ROSTER_KEY) await passed();
      return await write(key, value, expected);
    };
    const member = await join();
    await settled();
    const drained = member.drain();
    await settled();
    expect([await members(), member.owned]).toEqual([["a"], []]);
    open();
    await drained;
    expect([await lease(0), await lease(1)]).toEqual([{ epoch: 1 }, { epoch: 1 }]);
    expect([await members(), await sessions.get("a")]).toEqual([[], undefined]);
  });

  test("before it has claimed anything waits for nothing", async () => {
    const member = await join();
    await member.drain();
    expect([await members(), work.news()]).toEqual([[], []]);
  });

  test("looks after the group no more", async () => {
    const member = await join();
    await enter("b");
    await member.drain();
    const look = vi.spyOn(sessions, "live");
    await clock.advance(2 * TTL);
    expect(look).not.toHaveBeenCalled();
  });

  test("watches over no neighbour any more, and neither does one that is abandoned", async () => {
    const watches: AbortSignal[] = [];
    const watch = sessions.watch.bind(sessions);
    sessions.watch = (filter, signal) => {
      watches.push(signal);
      return watch(filter, signal);
    };
    const [drained, abandoned] = [await join(), await join({ memberId: "b" })];
    await settled();
    expect(watches.map(({ aborted }) => aborted)).toEqual([false, false]);
    await drained.drain();
    abandoned.abandon(new DocktorError("CLOSED", "the reason"));
    await clock.advance(2 * TTL);
    expect(watches.map(({ aborted }) => aborted)).toEqual([true, true]);
  });

  test("and loses its session stops, and its partitions are lost for that", async () => {
    const member = await join();
    await settled();
    const { passed, open } = gate();
    work.onFinish = passed;
    const drained = expect(member.drain()).rejects.toEqual(code("SESSION_LOST"));
    await settled();
    work.news();
    clock.freeze(TTL);
    await settled();
    await drained;
    open();
    await settled();
    const reason = "in epoch 1: SESSION_LOST";
    expect(work.news()).toEqual([`abort 0 ${reason}`, `abort 1 ${reason}`]);
  });

  test("is not brought back by an older roster that is still on its way", async () => {
    const member = await join();
    await settled();
    const { passed, open } = gate();
    work.onFinish = async () => {
      onWatch = passed;
      await enter("b");
    };
    const drained = member.drain();
    await settled();
    // What was written before it left comes after it has told that it left.
    expect(told.at(-1)).toBe("left a");
    open();
    await drained;
    expect(told).toEqual(["joined a", "left a"]);
  });
});

describe("a member that is abandoned", () => {
  test("loses its partitions at once for the given reason, and leaves its session to expire", async () => {
    const member = await join();
    await settled();
    work.news();
    member.abandon(new DocktorError("FENCED", "the reason"));
    expect(work.news()).toEqual(["abort 0 in epoch 1: FENCED", "abort 1 in epoch 1: FENCED"]);
    expect(await sessions.get("a")).toBeDefined();
    await clock.advance(TTL);
    expect(await sessions.get("a")).toBeUndefined();
    expect(await members()).toEqual(["a"]);
  });
});

describe("a member that crashes", () => {
  test("is succeeded by its neighbour 95 % of a TTL after its last renewal, however late the server is to forget it", async () => {
    const late = new MemoryStore(clock, 100 * TTL);
    late.setTtl = () => Promise.resolve();
    const a = await join({ sessions: late });
    const b = await join({ sessions: late, memberId: "b", work: new FakeWork() });
    await settled();
    expect([a.owned, b.owned]).toEqual([[0], [1]]);
    await clock.advance(TTL / 3);
    b.abandon(new DocktorError("CLOSED", "the process is gone"));
    await clock.advance(0.95 * TTL - 1);
    expect([a.owned, await members()]).toEqual([[0], ["a", "b"]]);
    await clock.advance(1);
    expect([a.owned, await members()]).toEqual([[0, 1], ["a"]]);
  });
});

describe("a member that somebody else marks as draining", () => {
  test("is told so once, and leaves when it then drains", async () => {
    let dismissals = 0;
    const member = await join({
      observer: {
        joined: () => {},
        left: () => {},
        rebalanced: () => {},
        dismissed: () => dismissals++,
        error: () => {},
      },
    });
    await settled();
    const mark = async (): Promise<unknown> =>
      await changeRoster(leases, identity, (now) => {
        const life = now?.members["a"];
        return now && life && withMember(now, "a", { ...life, state: "draining" });
      });
    await mark();
    await mark();
    await settled();
    expect(dismissals).toBe(1);
    await member.drain();
    expect([member.owned, await members(), dismissals]).toEqual([[], [], 1]);
  });

  test("is not told when it drains by itself, nor for another life of its id", async () => {
    let dismissals = 0;
    const observer = {
      joined: () => {},
      left: () => {},
      rebalanced: () => {},
      dismissed: () => dismissals++,
      error: () => {},
    };
    const member = await join({ observer });
    await settled();
    await enter("a", { incarnation: "another life", state: "draining" });
    await settled();
    expect(dismissals).toBe(0);
    await enter("a", { incarnation: member.incarnation });
    await member.drain();
    expect(dismissals).toBe(0);
  });
});

describe("a member whose watch has silently missed something", () => {
  test("acts on it once it is refreshed: on a newcomer in the roster, and on a lease taken from it", async () => {
    const member = await join({ partitions: 3 });
    await settled();
    work.news();
    deaf.abort();
    await enter("b");
    const stored = await leases.get(leaseKey(0));
    const taken = { epoch: 2, owner: "b", incarnation: "a life of b" };
    await leases.write(leaseKey(0), taken, stored?.revision ?? 0);
    await settled();
    expect([work.news(), told]).toEqual([[], ["joined a"]]);
    member.refresh();
    await settled();
    expect(work.news()).toEqual(["abort 0 in epoch 1: FENCED"]);
    expect(told).toEqual(["joined a", "joined b"]);
    await changeRoster(leases, identity, (now) => withoutMember(now, "b", "a life of b"));
    await settled();
    expect([work.news(), member.owned]).toEqual([["start 0 in epoch 3"], [0, 1, 2]]);
  });
});
