/** What happens to a rebalancer's writes that are overtaken on their way. */
import { afterEach, beforeEach, describe, expect, test } from "vitest";
import { DocktorError } from "../../src/errors.ts";
import { GroupOfOne } from "../support/group-of-one.ts";

const left = new DocktorError("CLOSED", "the member left");

let group: GroupOfOne;

beforeEach(async () => {
  group = await GroupOfOne.create();
});

afterEach(async () => {
  await group.close();
});

describe("a release that is being written when all is aborted", () => {
  test.each([
    ["lands", () => Promise.resolve()],
    ["fails", () => Promise.reject(new DocktorError("TIMEOUT", "no answer"))],
  ])("and %s is not told as one: the partition was lost", async (_, end) => {
    const rebalancer = await group.joinAlone(1);
    const { passed, open } = group.gate();
    group.onWrite = async () => {
      await passed();
      await end();
    };
    rebalancer.reclaim(group.work.leaseOf(0));
    await group.settled();
    expect(group.work.news()).toEqual(["finish 0"]);
    rebalancer.abort(left);
    open();
    await group.settled();
    expect(group.work.news()).toEqual(["abort 0 in epoch 1: CLOSED"]);
    expect([rebalancer.idle, group.errors]).toEqual([true, []]);
  });
});

test("a stray lease that another was faster to take is left to that one, and is no error", async () => {
  await group.roster({ a: {}, b: {} });
  for (const partition of [0, 1]) await group.put(partition, group.ownedBy("a", 5));
  group.onWrite = async () => {
    if (group.tried.at(-1)?.[0] === "lease.1") await group.put(1, group.ownedBy("b", 6));
  };
  await group.join(2);
  expect(await group.stored(1)).toEqual(group.ownedBy("b", 6));
  expect(group.errors).toEqual([]);
});

test("a step that was about to be taken when all is aborted is not taken", async () => {
  const rebalancer = await group.joinAlone(1);
  rebalancer.reclaim(group.work.leaseOf(0));
  rebalancer.abort(left);
  await group.settled();
  expect([group.tried.length, rebalancer.idle]).toEqual([1, true]);
});
