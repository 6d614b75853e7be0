/** What a rebalancer does before a restart of its own, and beside a member that is away for one. */
import { afterEach, beforeEach, expect, test } from "vitest";
import { DocktorError } from "../../src/errors.ts";
import { GroupOfOne } from "../support/group-of-one.ts";

let group: GroupOfOne;

beforeEach(async () => {
  group = await GroupOfOne.create();
});

afterEach(async () => {
  await group.close();
});

test("before a restart it frees what it owns for itself, unprepared, and claims nothing", async () => {
  const rebalancer = await group.joinAlone(2);
  const revision = await group.roster({ a: { state: "restarting" } });
  await group.settled();
  const freed = ["released 0 to a after 0 ms", "released 1 to a after 0 ms"];
  expect(group.work.news()).toEqual(["finish 0", "finish 1", ...freed]);
  expect([await group.stored(0), await group.stored(1)]).toEqual([
    { epoch: 1, next: "a" },
    { epoch: 1, next: "a" },
  ]);
  expect([rebalancer.idle, group.settledUnder.at(-1)]).toEqual([true, revision]);
});

test("before a restart it frees for itself a lease on which it does not work", async () => {
  await group.roster({ a: { state: "restarting" } });
  await group.put(0, group.ownedBy("a", 5));
  await group.join(1);
  expect([await group.stored(0), group.work.news()]).toEqual([{ epoch: 5, next: "a" }, []]);
});

test("leaves to a member that is away what is its own, also what that one still owned in a crash", async () => {
  await group.roster({ a: {}, b: { state: "restarting" } });
  await group.put(0, { epoch: 3, next: "b" });
  await group.put(1, group.ownedBy("b", 3));
  const rebalancer = await group.join(4);
  expect(rebalancer.owned).toEqual([2, 3]);
});

test("does not give a partition on which work has stalled to a member that is away", async () => {
  await group.roster({ a: {}, b: { state: "restarting" }, c: {} });
  await group.put(2, group.ownedBy("c"));
  const rebalancer = await group.join(3);
  rebalancer.cutOff(group.work.leaseOf(0), new DocktorError("STALLED", "it hangs"));
  await group.settled();
  expect(await group.stored(0)).toEqual({ epoch: 1, next: "c", shunnedBy: "a" });
});
