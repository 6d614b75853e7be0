/** What a rebalancer promises, over the store in memory, with time and faults in the test's hands. */
import { afterEach, beforeEach, describe, expect, test } from "vitest";
import { DocktorError, type ErrorCode } from "../../src/errors.ts";
import { leaseKey } from "../../src/lease/records.ts";
import { GroupOfOne } from "../support/group-of-one.ts";

const code = (value: ErrorCode): unknown => expect.objectContaining({ code: value });
const silence = (): Promise<never> => Promise.reject(new DocktorError("TIMEOUT", "no answer"));

let group: GroupOfOne;

beforeEach(async () => {
  group = await GroupOfOne.create();
});

afterEach(async () => {
  await group.close();
});

describe("a claim", () => {
  test("takes what the plan gives to this member, and nothing else", async () => {
    await group.roster({ a: {}, b: {} });
    const rebalancer = await group.join(4);
    expect(rebalancer.owned).toEqual([0, 1]);
    expect(group.work.news()).toEqual(["start 0 in epoch 1", "start 1 in epoch 1"]);
    expect(await group.stored(0)).toEqual(group.ownedBy("a"));
    expect([await group.stored(2), await group.stored(3)]).toEqual([undefined, undefined]);
    expect(group.tried).toHaveLength(2);
  });

  test("leaves a released partition to the member that it is meant for", async () => {
    await group.roster({ a: {}, b: {} });
    await group.put(0, { epoch: 3, next: "b" });
    const rebalancer = await group.join(2);
    expect(rebalancer.owned).toEqual([1]);
    expect(await group.stored(0)).toEqual({ epoch: 3, next: "b" });
  });

  test("takes an orphan, whose owner's life is not in the roster", async () => {
    await group.roster({ a: {} });
    await group.put(0, group.ownedBy("b", 7));
    await group.put(1, { ...group.ownedBy("a", 4), incarnation: "an earlier life of a" });
    await group.join(2);
    expect(group.work.news()).toEqual(["start 0 in epoch 8", "start 1 in epoch 5"]);
  });

  test("waits for an owner that is in the roster to release, although the plan names this member", async () => {
    await group.roster({ a: {}, b: {} });
    for (const partition of [0, 1]) await group.put(partition, group.ownedBy("b"));
    await group.join(2);
    expect(group.tried).toEqual([]);
    await group.put(1, { epoch: 1, next: "a" });
    await group.settled();
    expect(group.work.news()).toEqual(["start 1 in epoch 2"]);
  });

  test("in which another member was faster starts no work and is no error", async () => {
    group.onWrite = async () => {
      if (group.tried.length === 1) await group.put(0, group.ownedBy("b"));
    };
    await group.roster({ a: {}, b: {} });
    const rebalancer = await group.join(1);
    expect(await group.stored(0)).toEqual(group.ownedBy("b"));
    expect([rebalancer.owned, group.work.news(), group.errors]).toEqual([[], [], []]);
  });

  test("whose work does not start loses the lease, says why and is made again after 250 ms", async () => {
    group.work.onStart = silence;
    await group.roster({ a: {} });
    const rebalancer = await group.join(1);
    expect(group.work.news()).toEqual(["start 0 in epoch 1", "abort 0 in epoch 1: TIMEOUT"]);
    expect(group.work.leaseOf(0).lost.reason).toEqual(code("TIMEOUT"));
    expect(group.errors).toEqual([code("TIMEOUT")]);
    group.work.onStart = () => Promise.resolve();
    await group.clock.advance(249);
    expect(group.work.news()).toEqual([]);
    await group.clock.advance(1);
    expect(group.work.news()).toEqual(["start 0 in epoch 2"]);
    expect([rebalancer.owned, group.errors]).toEqual([[0], [code("TIMEOUT")]]);
  });
});

describe("a claim of a partition that its owner before has prepared", () => {
  const prepared = "all 512";
  const expects = "expect 0 in epoch 4";

  test("asks for its messages while it is being made", async () => {
    group.onWrite = async () => {
      if (group.tried.length === 1) expect(group.work.news()).toEqual([expects]);
    };
    await group.roster({ a: {} });
    await group.put(0, { epoch: 3, next: "a", prepared });
    await group.commit(0, 3);
    await group.join(1);
    expect(group.work.news()).toEqual(["start 0 in epoch 4, as expected"]);
    expect.assertions(2);
  });

  test("asks for none if another version has prepared it, with other settings", async () => {
    await group.roster({ a: {} });
    await group.put(0, { epoch: 3, next: "a", prepared: "explicit 1024" });
    await group.join(1);
    expect(group.work.news()).toEqual(["start 0 in epoch 4"]);
  });

  test("asks for none if it was prepared for another member, which may be about to claim it", async () => {
    await group.roster({ a: {} });
    await group.put(0, { epoch: 3, next: "b", prepared });
    await group.commit(0, 3);
    await group.join(1);
    expect(group.work.news()).toEqual(["start 0 in epoch 4"]);
  });

  test("asks no longer when all is aborted meanwhile", async () => {
    const { passed, open } = group.gate();
    group.onWrite = passed;
    await group.roster({ a: {} });
    await group.put(0, { epoch: 3, next: "a", prepared });
    await group.commit(0, 3);
    const rebalancer = await group.join(1);
    rebalancer.abort(new DocktorError("CLOSED", "closed"));
    open();
    await group.settled();
    expect(group.work.news()).toEqual([expects, "do not expect 0 in epoch 4"]);
  });

  test("asks no longer when another member was faster", async () => {
    group.onWrite = async () => {
      if (group.tried.length === 1) await group.put(0, group.ownedBy("b", 4));
    };
    await group.roster({ a: {} });
    await group.put(0, { epoch: 3, next: "a", prepared });
    await group.join(1);
    expect(group.work.news().slice(0, 2)).toEqual([expects, "do not expect 0 in epoch 4"]);
    expect(group.errors).toEqual([]);
  });

  test("asks no longer when its work does not start", async () => {
    group.work.onStart = silence;
    await group.roster({ a: {} });
    await group.put(0, { epoch: 3, next: "a", prepared });
    await group.commit(0, 3);
    await group.join(1);
    expect(group.work.news()).toContain("do not expect 0 in epoch 4");
  });
});

describe("a release", () => {
  test.each([true, false])(
    "is prepared first, and tells the next owner how, if it could be (%s)",
    async (could) => {
      group.work.onPrepare = async () => {
        await group.clock.sleep(100);
        return could;
      };
      group.work.onFinish = () => group.clock.sleep(40);
      const rebalancer = await group.joinAlone(2);
      await group.roster({ a: {}, b: {} });
      await group.settled();
      expect(group.work.news()).toEqual(["prepare 1"]);
      expect(rebalancer.owned).toEqual([0, 1]);
      await group.clock.advance(140);
      // The time is counted from when work stopped, and not from when it was prepared to.
      expect(group.work.news()).toEqual(["finish 1", "released 1 to b after 40 ms"]);
      expect(await group.stored(1)).toEqual({
        epoch: 1,
        next: "b",
        ...(could ? { prepared: "all 512" } : {}),
      });
      expect(rebalancer.owned).toEqual([0]);
    },
  );

  test("goes on without what could not be prepared in time, as on a cluster that has no leader", async () => {
    group.work.onPrepare = () => new Promise(() => {});
    await group.joinAlone(2);
    await group.roster({ a: {}, b: {} });
    await group.settled();
    await group.clock.advance(24_999);
    expect(group.work.news()).toEqual(["prepare 1"]);
    await group.clock.advance(1);
    expect(group.work.news()).toEqual(["finish 1", "released 1 to b after 0 ms"]);
    expect(await group.stored(1)).toEqual({ epoch: 1, next: "b" });
  });

  test("is for whoever is next when it is written, so that the partition does not move twice", async () => {
    group.work.onPrepare = async () => {
      await group.clock.sleep(100);
      return true;
    };
    await group.joinAlone(2);
    await group.roster({ a: {}, b: {} });
    await group.settled();
    expect(group.work.news()).toEqual(["prepare 1"]);
    await group.roster({ a: {}, c: {} });
    await group.clock.advance(100);
    expect(group.work.news()).toEqual(["finish 1", "released 1 to c after 0 ms"]);
    expect(await group.stored(1)).toEqual({ epoch: 1, next: "c", prepared: "all 512" });
  });

  test("for anyone is not prepared: a member drains and nobody is there to follow", async () => {
    const rebalancer = await group.joinAlone(1);
    await group.roster({ a: { state: "draining" } });
    await group.settled();
    expect(group.work.news()).toEqual(["finish 0", "released 0 to anyone after 0 ms"]);
    expect(await group.stored(0)).toEqual({ epoch: 1 });
    expect(rebalancer.idle).toBe(true);
  });

  test("to itself is a reclaim: not prepared, and claimed under the next epoch", async () => {
    const rebalancer = await group.joinAlone(1);
    rebalancer.reclaim(group.work.leaseOf(0));
    await group.settled();
    const released = "released 0 to a after 0 ms";
    expect(group.work.news()).toEqual(["finish 0", released, "start 0 in epoch 2"]);
    expect(group.tried[1]).toEqual([leaseKey(0), { epoch: 1, next: "a" }]);
  });

  test("that fails half-way loses the lease, says why and frees it after 250 ms", async () => {
    await group.joinAlone(2);
    group.work.onFinish = silence;
    await group.roster({ a: {}, b: {} });
    await group.clock.advance(249);
    expect(group.work.news()).toEqual(["prepare 1", "finish 1", "abort 1 in epoch 1: TIMEOUT"]);
    expect([group.errors, await group.stored(1)]).toEqual([[code("TIMEOUT")], group.ownedBy("a")]);
    await group.clock.advance(1);
    expect([group.work.news(), await group.stored(1)]).toEqual([[], { epoch: 1, next: "b" }]);
  });
});

describe("a partition on which work has stalled", () => {
  const stalled = new DocktorError("STALLED", "it hangs");

  beforeEach(async () => {
    await group.roster({ a: {}, b: {} });
    await group.put(1, group.ownedBy("b"));
  });

  test("is given to another member after what is handled there was committed, and its work aborted", async () => {
    const rebalancer = await group.join(2);
    group.work.news();
    rebalancer.cutOff(group.work.leaseOf(0), stalled);
    await group.settled();
    expect(group.work.news()).toEqual(["flush 0", "abort 0 in epoch 1: STALLED"]);
    expect(await group.stored(0)).toEqual({ epoch: 1, next: "b", shunnedBy: "a" });
    expect(group.work.leaseOf(0).lost.reason).toBe(stalled);
    expect(rebalancer.owned).toEqual([]);
  });

  test("is given up all the same when what is handled cannot be committed, and that is told", async () => {
    const rebalancer = await group.join(2);
    group.work.flush = silence;
    rebalancer.cutOff(group.work.leaseOf(0), stalled);
    await group.settled();
    expect(await group.stored(0)).toEqual({ epoch: 1, next: "b", shunnedBy: "a" });
    expect([rebalancer.owned, group.errors]).toEqual([[], [code("TIMEOUT")]]);
  });

  test("stays where it is when there is nobody else", async () => {
    const rebalancer = await group.join(2);
    await group.roster({ a: {}, b: { state: "draining" } });
    await group.settled();
    group.work.news();
    rebalancer.cutOff(group.work.leaseOf(0), stalled);
    await group.settled();
    expect([group.work.news(), rebalancer.owned]).toEqual([[], [0]]);
  });

  test("is given up once, whatever is heard of it while that goes on and afterwards", async () => {
    const rebalancer = await group.join(2);
    const { passed, open } = group.gate();
    group.work.onFinish = passed;
    const lease = group.work.leaseOf(0);
    rebalancer.reclaim(lease);
    await group.settled();
    group.work.news();
    rebalancer.cutOff(lease, stalled);
    await group.settled();
    expect(group.work.news()).toEqual([]);
    open();
    await group.settled();
    group.work.news();
    rebalancer.cutOff(lease, stalled);
    await group.settled();
    expect([group.work.news(), rebalancer.owned]).toEqual([[], [0]]);
    expect(await group.stored(0)).toEqual(group.ownedBy("a", 2));
  });
});

describe("a hand-over that takes longer than it may", () => {
  test("is cut off: what is handled is committed, the work aborted, and the partition handed over", async () => {
    const rebalancer = await group.joinAlone(2);
    group.work.onFinish = () => new Promise(() => {});
    await group.roster({ a: {}, b: {} });
    await group.clock.advance(24_999);
    expect([group.work.news(), rebalancer.owned]).toEqual([
      ["prepare 1", "finish 1"],
      [0, 1],
    ]);
    await group.clock.advance(1);
    expect(group.work.news()).toEqual(["flush 1", "abort 1 in epoch 1: DRAIN_TIMEOUT"]);
    expect(await group.stored(1)).toEqual({ epoch: 1, next: "b" });
    expect([rebalancer.owned, group.errors]).toEqual([[0], []]);
  });
});

describe("a stray lease, in this member's name without work on it", () => {
  test("is claimed properly when the plan gives it to this member", async () => {
    await group.roster({ a: {} });
    await group.put(0, group.ownedBy("a", 5));
    const rebalancer = await group.join(1);
    expect([group.work.news(), rebalancer.owned]).toEqual([["start 0 in epoch 6"], [0]]);
  });

  test("is freed when the plan gives it to another, with no work to finish", async () => {
    await group.roster({ a: {}, b: {} });
    for (const partition of [0, 1]) await group.put(partition, group.ownedBy("a", 5));
    await group.join(2);
    expect(group.work.news()).toEqual(["start 0 in epoch 6"]);
    expect(await group.stored(1)).toEqual({ epoch: 5, next: "b" });
  });
});

describe("a member with an old view", () => {
  test("does not act a second time before it sees what it wrote itself", async () => {
    const rebalancer = await group.joinAlone(1);
    const { passed, open } = group.gate();
    group.onWatch = passed;
    rebalancer.reclaim(group.work.leaseOf(0));
    await group.settled();
    rebalancer.evaluate();
    await group.settled();
    expect(group.tried.slice(1)).toEqual([[leaseKey(0), { epoch: 1, next: "a" }]]);
    open();
    await group.settled();
    expect(group.tried.slice(2)).toEqual([[leaseKey(0), group.ownedBy("a", 2)]]);
  });

  test("does nothing while leases and roster may not fit each other", async () => {
    const rebalancer = await group.joinAlone(1);
    const { passed, open } = group.gate();
    group.onWatch = passed;
    group.view.refresh();
    rebalancer.reclaim(group.work.leaseOf(0));
    await group.settled();
    expect(group.work.news()).toEqual([]);
    open();
    await group.settled();
    expect(group.work.news()).toContain("start 0 in epoch 2");
  });

  test("does nothing once its session may have expired", async () => {
    await group.roster({ b: {} });
    await group.join(1);
    await group.roster({ a: {} });
    group.clock.freeze(group.session.ttlMs);
    await group.settled();
    expect(group.tried).toEqual([]);
  });

  test.each([
    ["lacks it", { b: {} }],
    ["names another life of it", { a: { incarnation: "another life of a" } }],
  ])("does nothing under a roster that %s", async (_why, members) => {
    await group.roster(members);
    await group.put(0, group.ownedBy("a"));
    await group.join(2);
    expect(group.tried).toEqual([]);
  });
});

describe("a lease that another member has taken", () => {
  beforeEach(async () => {
    await group.roster({ a: {}, b: {} });
    await group.put(1, group.ownedBy("b"));
  });

  test("is lost as FENCED, and its work ends at once", async () => {
    const rebalancer = await group.join(2);
    group.work.news();
    await group.put(0, group.ownedBy("b", 2));
    await group.settled();
    expect(group.work.news()).toEqual(["abort 0 in epoch 1: FENCED"]);
    expect(group.work.leaseOf(0).lost.reason).toEqual(code("FENCED"));
    expect([rebalancer.owned, group.errors]).toEqual([[], []]);
  });

  test("is lost at once even while its work is being finished, and stays the other's", async () => {
    const { passed, open } = group.gate();
    group.work.onFinish = passed;
    const rebalancer = await group.join(2);
    rebalancer.reclaim(group.work.leaseOf(0));
    await group.settled();
    group.work.news();
    await group.put(0, group.ownedBy("b", 2));
    await group.settled();
    expect(group.work.leaseOf(0).lost.reason).toEqual(code("FENCED"));
    open();
    await group.settled();
    expect([group.work.news(), group.errors]).toEqual([["abort 0 in epoch 1: FENCED"], []]);
    expect(await group.stored(0)).toEqual(group.ownedBy("b", 2));
  });

  test("is let go of when its own commit was the first to learn of it", async () => {
    const rebalancer = await group.join(2);
    const { passed, open } = group.gate();
    group.onWatch = passed;
    group.work.news();
    group.work.leaseOf(0).lose(new DocktorError("FENCED", "the commit came too late"));
    await group.put(0, group.ownedBy("b", 2));
    await group.settled();
    expect(group.work.news()).toEqual(["abort 0 in epoch 1: FENCED"]);
    expect(rebalancer.owned).toEqual([]);
    open();
  });
});

describe("abort", () => {
  const reason = new DocktorError("CLOSED", "the member left");

  test("loses every owned lease for the given reason, and nothing happens afterwards", async () => {
    const rebalancer = await group.joinAlone(2);
    rebalancer.abort(reason);
    expect(group.work.news()).toEqual(["abort 0 in epoch 1: CLOSED", "abort 1 in epoch 1: CLOSED"]);
    for (const partition of [0, 1]) {
      expect(group.work.leaseOf(partition).lost.reason).toBe(reason);
    }
    rebalancer.evaluate();
    await group.roster({ a: {}, b: {} });
    await group.settled();
    expect([rebalancer.idle, group.work.news(), group.tried.length]).toEqual([true, [], 2]);
  });

  test("during a claim: the claim may land, and starts no work", async () => {
    const { passed, open } = group.gate();
    group.onWrite = passed;
    await group.roster({ a: {} });
    const rebalancer = await group.join(1);
    rebalancer.abort(reason);
    open();
    await group.settled();
    expect(await group.stored(0)).toEqual(group.ownedBy("a"));
    expect([rebalancer.idle, group.work.news(), group.errors]).toEqual([true, [], []]);
  });

  test("during a claim whose work has yet to start: that it does not is no error of its own", async () => {
    group.work.onStart = async ({ lost }) => {
      await group.clock.sleep(100);
      lost.throwIfAborted();
    };
    await group.roster({ a: {} });
    const rebalancer = await group.join(1);
    rebalancer.abort(new DocktorError("CLOSED", "member a left the group"));
    await group.clock.advance(60_000);
    expect(group.work.news()).toEqual(["start 0 in epoch 1", "abort 0 in epoch 1: CLOSED"]);
    expect(group.errors).toEqual([]);
  });

  test("during a release: nothing more is written, and nobody is told that it was released", async () => {
    const { passed, open } = group.gate();
    group.work.onFinish = passed;
    const rebalancer = await group.joinAlone(1);
    rebalancer.reclaim(group.work.leaseOf(0));
    await group.settled();
    group.work.news();
    rebalancer.abort(reason);
    open();
    await group.settled();
    expect(group.work.news()).toEqual(["abort 0 in epoch 1: CLOSED"]);
    expect(await group.stored(0)).toEqual(group.ownedBy("a"));
  });
});

describe("being settled", () => {
  test("is told once for every roster, when nothing is left to do under it", async () => {
    const { passed, open } = group.gate();
    group.work.onStart = ({ partition }) => (partition === 1 ? passed() : Promise.resolve());
    const first = await group.roster({ a: {} });
    const rebalancer = await group.join(2);
    expect([rebalancer.owned, group.settledUnder]).toEqual([[0, 1], []]);
    open();
    await group.settled();
    expect(group.settledUnder).toEqual([first]);
    rebalancer.reclaim(group.work.leaseOf(0));
    await group.settled();
    const second = await group.roster({ a: {}, b: { state: "draining" } });
    await group.settled();
    expect(group.settledUnder).toEqual([first, second]);
  });

  test("is not told while another member still holds what is due", async () => {
    const revision = await group.roster({ a: {}, b: {} });
    for (const partition of [0, 1]) await group.put(partition, group.ownedBy("b"));
    await group.join(2);
    expect(group.settledUnder).toEqual([]);
    await group.put(1, { epoch: 1, next: "a" });
    await group.settled();
    expect(group.settledUnder).toEqual([revision]);
  });
});
