/** When the durables of earlier epochs are removed, and when that is over. */
import { beforeEach, expect, test } from "vitest";
import { Tidying } from "../../src/consumer/tidying.ts";
import type { Lease } from "../../src/lease/lease.ts";
import { ManualClock } from "../support/clock.ts";

let clock: ManualClock;
let removed: number[];
let over: boolean;
let ended: AbortController;
let errors: unknown[];
let remove: (epoch: number) => Promise<void>;

beforeEach(() => {
  [clock, removed, over, ended, errors] = [new ManualClock(), [], false, new AbortController(), []];
  remove = async (epoch) => void removed.push(epoch);
});

/** An owner of epoch 5 begins to tidy. */
function begin(replicated: boolean, since: number | undefined = 3): Tidying {
  const checkpoint = { since, tidied: () => (over = true) };
  const tidying = new Tidying({
    clock,
    lease: { epoch: 5, checkpoint } as unknown as Lease,
    replicated,
    remove: (epoch) => remove(epoch),
    ended: ended.signal,
    onError: (error) => errors.push(error),
  });
  tidying.start();
  return tidying;
}

test("those of all epochs since the one on record are removed, and that is over", async () => {
  expect(await begin(false).first).toBe(true);
  await clock.advance(0);
  expect([removed, over]).toEqual([[3, 4], true]);
});

test("in a cluster they are removed once more, as one may come into being late", async () => {
  await begin(true).first;
  await clock.advance(14_999);
  expect([removed, over]).toEqual([[3, 4], false]);
  await clock.advance(1);
  expect([removed, over]).toEqual([[3, 4, 3, 4], true]);
});

test("where there are none it is over at once", async () => {
  await begin(true, 5).first;
  await clock.advance(0);
  expect([removed, over]).toEqual([[], true]);
});

test("they stay on record when the partition is given up before", async () => {
  await begin(true).first;
  ended.abort();
  await clock.advance(60_000);
  expect([removed, over]).toEqual([[3, 4], false]);
});

test("they stay on record when one cannot be removed, which is told", async () => {
  remove = () => Promise.reject(new Error("no answer"));
  expect(await begin(false).first).toBe(false);
  await clock.advance(60_000);
  expect([over, errors.length]).toEqual([false, 1]);
});
