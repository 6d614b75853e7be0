/** Restarts under a stable member id, over the store in memory, with time in the test's hands. */
import { afterEach, beforeEach, describe, expect, test } from "vitest";
import { DocktorError } from "../../src/errors.ts";
import { ROSTER_KEY } from "../../src/lease/records.ts";
import type { Member } from "../../src/partition/member.ts";
import { Members } from "../support/members.ts";

const TTL = 3_000;
const DELAY = 10_000;
/** More than passes between two looks at the sessions. */
const LOOKS = 400;
const PARTITIONS = 6;
const restartable = { restartDelayMs: DELAY };
const code = (value: string): unknown => expect.objectContaining({ code: value });

let group: Members;

beforeEach(() => {
  group = new Members({ partitions: PARTITIONS, ttlMs: TTL });
});

afterEach(async () => {
  await group.close();
});

const shared = ["a", "a", "b", "b", "c", "c"];
const withoutB = ["a", "a", "a", "c", "c", "c"];
const others = { a: "active", c: "active" };

/** Members a, b and c, which have shared the partitions. */
async function three(options = restartable): Promise<[Member, Member, Member]> {
  const members: [Member, Member, Member] = [
    await group.start("a", options),
    await group.start("b", options),
    await group.start("c", options),
  ];
  expect(await group.shares()).toEqual(shared);
  return members;
}

/** Has the work of a member end only when it is called for. */
function holdWorkOf(memberId: string): () => void {
  let finish = (): void => {};
  const held = new Promise<void>((resolve) => (finish = resolve));
  group.workOf(memberId).onFinish = () => held;
  return finish;
}

describe("a member that is drained and may be restarted", () => {
  test("finishes and frees its partitions for itself, keeps its place and ends its session", async () => {
    const [, b] = await three();
    const owned = b.owned;
    group.workOf("b").news();
    await b.drain();
    const steps = owned.flatMap((n) => [`finish ${n}`, `released ${n} to b after 0 ms`]);
    expect(group.workOf("b").news().sort()).toEqual(steps.sort());
    for (const partition of owned) {
      const { epoch } = await group.leaseOf(partition);
      expect(await group.leaseOf(partition)).toEqual({ epoch, next: "b" });
    }
    expect(await group.states()).toEqual({ ...others, b: "restarting" });
    expect(await group.sessions.get("b")).toBeUndefined();
  });

  test("gets its partitions back within the delay, each from its checkpoint, and nothing else moves", async () => {
    const [a, b, c] = await three();
    const before = [a.owned, b.owned, c.owned];
    for (const partition of b.owned) {
      await group
        .workOf("b")
        .leaseOf(partition)
        .commit(40 + partition);
    }
    for (const id of ["a", "c"]) group.workOf(id).news();
    await b.drain();
    await group.clock.advance(DELAY - LOOKS);
    expect(await group.shares()).toEqual(shared);
    const after = await group.start("b", restartable);
    expect([a.owned, after.owned, c.owned]).toEqual(before);
    for (const partition of after.owned) {
      const { checkpoint } = group.workOf("b").leaseOf(partition);
      expect(checkpoint.sequence).toBe(40 + partition);
    }
    await group.clock.advance(2 * DELAY);
    expect([group.workOf("a").news(), group.workOf("c").news()]).toEqual([[], []]);
    expect(await group.states()).toEqual({ ...others, b: "active" });
  });

  test("loses its place after the delay, and only its partitions move", async () => {
    const [a, b, c] = await three();
    const before = { a: a.owned, c: c.owned };
    await b.drain();
    await group.clock.advance(DELAY - LOOKS);
    expect(await group.shares()).toEqual(shared);
    await group.clock.advance(3 * LOOKS);
    expect([await group.shares(), await group.states()]).toEqual([withoutB, others]);
    expect(a.owned).toEqual(expect.arrayContaining(before.a));
    expect(c.owned).toEqual(expect.arrayContaining(before.c));
  });

  test("is not counted as gone while it still finishes, however long that takes", async () => {
    const [, b] = await three();
    const finish = holdWorkOf("b");
    const drained = b.drain();
    await group.clock.advance(2 * DELAY);
    expect([(await group.states())["b"], b.owned.length]).toEqual(["restarting", 2]);
    finish();
    await drained;
    await group.clock.advance(DELAY - LOOKS);
    expect(await group.shares()).toEqual(shared);
  });

  test("comes back after any time to a group in which nobody else is alive", async () => {
    const alone = await group.start("a", restartable);
    await alone.drain();
    await group.clock.advance(10 * DELAY);
    expect(await group.states()).toEqual({ a: "restarting" });
    const after = await group.start("a", restartable);
    expect([after.owned.length, await group.states()]).toEqual([PARTITIONS, { a: "active" }]);
  });

  test("as all others are gets its own back, whoever comes first", async () => {
    const members = await three();
    const before = members.map(({ owned }) => owned);
    await Promise.all(members.map((member) => member.drain()));
    expect(await group.shares()).toEqual(shared);
    const after: Member[] = [];
    for (const id of ["c", "a", "b"]) after.push(await group.start(id, restartable));
    const [c, a, b] = after;
    expect([a?.owned, b?.owned, c?.owned]).toEqual(before);
  });
});

describe("a member that crashes and may be restarted", () => {
  test("gets its partitions back, as orphans of its earlier life", async () => {
    const [a, b, c] = await three();
    const before = [a.owned, b.owned, c.owned];
    group.crash(b);
    const after = await group.startInTime("b", restartable);
    expect(after.incarnation).not.toBe(b.incarnation);
    await group.clock.advance(2 * DELAY);
    expect([a.owned, after.owned, c.owned]).toEqual(before);
    expect((await group.states())["b"]).toBe("active");
  });

  test("is restarting from when its session is seen gone, and gone after the delay", async () => {
    const [, b] = await three();
    group.crash(b);
    await group.clock.advance(TTL + LOOKS);
    expect(await group.states()).toEqual({ ...others, b: "restarting" });
    await group.clock.advance(DELAY - 2 * LOOKS);
    expect(await group.shares()).toEqual(shared);
    await group.clock.advance(3 * LOOKS);
    expect([await group.shares(), await group.states()]).toEqual([withoutB, others]);
  });

  test("again and again keeps its place each time, to the end of the delay", async () => {
    const [, first] = await three();
    const owned = first.owned;
    let member = first;
    for (let i = 0; i < 3; i++) {
      group.crash(member);
      await group.clock.advance(TTL + DELAY - LOOKS);
      member = await group.start("b", restartable);
    }
    await group.clock.advance(2 * DELAY);
    expect([member.owned, await group.shares()]).toEqual([owned, shared]);
  });
});

test("a member that joins late counts the delay from its own first look", async () => {
  const [a, b, c] = await three();
  await b.drain();
  await group.clock.advance(DELAY / 2);
  for (const member of [a, c]) group.crash(member);
  await group.start("d");
  await group.clock.advance(DELAY - LOOKS);
  expect((await group.states())["b"]).toBe("restarting");
  await group.clock.advance(3 * LOOKS);
  expect(await group.states()).not.toHaveProperty("b");
});

describe("a twin of a live member", () => {
  test("is refused, and nothing of the member's changes", async () => {
    await three();
    const before = await group.leases.get(ROSTER_KEY);
    const twin = expect(group.start("b", restartable)).rejects.toEqual(code("MEMBER_ID_IN_USE"));
    await group.clock.advance(TTL);
    await twin;
    expect([await group.leases.get(ROSTER_KEY), await group.shares()]).toEqual([before, shared]);
  });

  test("is refused with another TTL, too, and sessions live as long as before", async () => {
    const alone = await group.start("a", restartable);
    const other = { ...restartable, ttlMs: TTL / 5 };
    const twin = expect(group.start("a", other)).rejects.toEqual(code("MEMBER_ID_IN_USE"));
    expect((await group.sessions.live()).ttlMs).toBe(TTL);
    await group.clock.advance(TTL);
    await twin;
    expect([alone.owned.length, (await group.sessions.live()).ttlMs]).toEqual([PARTITIONS, TTL]);
  });

  test("is refused while that one is being drained", async () => {
    const [, b] = await three();
    const finish = holdWorkOf("b");
    const drained = b.drain();
    const twin = expect(group.start("b", restartable)).rejects.toEqual(code("MEMBER_ID_IN_USE"));
    await group.clock.advance(TTL);
    await twin;
    finish();
    await drained;
    expect([await group.shares(), (await group.states())["b"]]).toEqual([shared, "restarting"]);
  });

  test("is refused when both come back at once: one of them has the place", async () => {
    const [, b] = await three();
    await b.drain();
    const both = [group.start("b", restartable), group.start("b", restartable)];
    const results = Promise.allSettled(both);
    await group.clock.advance(TTL);
    const refused = (await results).filter(({ status }) => status === "rejected");
    expect(refused).toEqual([{ status: "rejected", reason: code("MEMBER_ID_IN_USE") }]);
    expect(await group.shares()).toEqual(shared);
  });

  test("is refused when it was there first, slept past its session, and wakes up", async () => {
    const [, b] = await three();
    group.crash(b);
    const after = await group.startInTime("b", restartable);
    const again = { ...restartable, previous: b.incarnation };
    const awake = expect(group.start("b", again)).rejects.toEqual(code("MEMBER_ID_IN_USE"));
    await group.clock.advance(TTL);
    await awake;
    expect([after.owned.length, await group.shares()]).toEqual([2, shared]);
  });
});

describe("a member without a delay", () => {
  test("is not waited for when it is drained", async () => {
    const [, b] = await three({ restartDelayMs: 0 });
    await b.drain();
    await group.settled();
    expect([await group.shares(), await group.states()]).toEqual([withoutB, others]);
  });

  test("is not waited for when it has crashed and its session is gone", async () => {
    const [, b] = await three({ restartDelayMs: 0 });
    group.crash(b);
    await group.clock.advance(TTL + LOOKS);
    expect([await group.shares(), await group.states()]).toEqual([withoutB, others]);
  });
});

describe("a group with a member that is away", () => {
  test("gives it nothing when another one leaves for good: nobody would take it", async () => {
    const [a, b, c] = await three();
    await b.drain();
    await group.decide("c", "draining");
    expect([a.owned.length, c.owned]).toEqual([4, []]);
    expect(await group.shares()).toEqual(["a", "a", "a", "a", "b", "b"]);
  });

  test("gives a newcomer its share, and the one that comes back what is left for it", async () => {
    const [a, b] = [await group.start("a", restartable), await group.start("b", restartable)];
    await b.drain();
    const c = await group.start("c", restartable);
    const after = await group.start("b", restartable);
    expect([a, after, c].map(({ owned }) => owned.length)).toEqual([2, 2, 2]);
  });
});

describe("a member of which somebody else has decided that it leaves for good", () => {
  test("hands over what it has, and is not waited for when it is drained", async () => {
    const [, b] = await three();
    await group.decide("b", "draining");
    expect([await group.shares(), b.owned]).toEqual([withoutB, []]);
    await b.drain();
    expect(await group.states()).toEqual(others);
  });

  test("while it finishes its work leaves its partitions to the others", async () => {
    const [, b] = await three();
    const finish = holdWorkOf("b");
    const drained = b.drain();
    await group.settled();
    await group.decide("b", "draining");
    finish();
    await drained;
    await group.settled();
    expect([await group.shares(), await group.states()]).toEqual([withoutB, others]);
  });

  test("while it is away is not waited for any longer", async () => {
    const [, b] = await three();
    await b.drain();
    await group.clock.advance(LOOKS);
    await group.decide("b", "draining");
    expect(await group.shares()).toEqual(withoutB);
    await group.clock.advance(TTL + LOOKS);
    expect(await group.states()).toEqual(others);
  });
});

test("a start that fails half-way keeps the place", async () => {
  const [, b] = await three();
  await b.drain();
  const stop = new AbortController();
  const observer = {
    joined: () => stop.abort(new DocktorError("CLOSED", "told to stop")),
    left: () => {},
    rebalanced: () => {},
    dismissed: () => undefined,
    error: () => {},
  };
  const failing = group.start("b", { ...restartable, observer, signal: stop.signal });
  await expect(failing).rejects.toEqual(code("CLOSED"));
  expect([await group.shares(), (await group.states())["b"]]).toEqual([shared, "restarting"]);
});
