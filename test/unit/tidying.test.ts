/** When the durables of earlier epochs are removed, and when that is over. */
import { beforeEach, expect, test } from "vitest";
import { Tidying } from "../../src/consumer/delivery/tidying.ts";
import type { Lease } from "../../src/lease/lease.ts";
import { ManualClock } from "../support/clock.ts";

let clock: ManualClock;
let removed: number[];
let done: string[];
let ended: AbortController;
let lost: AbortController;
let errors: unknown[];
let remove: (epoch: number) => Promise<void>;

beforeEach(() => {
  [clock, removed, done, errors] = [new ManualClock(), [], [], []];
  [ended, lost] = [new AbortController(), new AbortController()];
  remove = async (epoch) => void removed.push(epoch);
});

/** The tidying of an owner of epoch 5. */
function tidyingOf(since?: number, lateSince?: number): Tidying {
  const tidied = (): void => void done.push("tidied");
  const tidiedAgain = (): void => void done.push("tidied again");
  const checkpoint = { since, lateSince, tidied, tidiedAgain };
  return new Tidying({
    clock,
    lease: { epoch: 5, checkpoint, lost: lost.signal } as unknown as Lease,
    remove: (epoch) => remove(epoch),
    ended: ended.signal,
    onError: (error) => errors.push(error),
  });
}

/** Begins beside the work. */
function begin(since?: number, lateSince?: number): Tidying {
  const tidying = tidyingOf(since, lateSince);
  tidying.start();
  return tidying;
}

test("those of all epochs since the one on record are removed once hand-overs have calmed down, and others once more when they may have come into being", async () => {
  begin(3, 2);
  await clock.advance(999);
  expect(removed).toEqual([]);
  await clock.advance(1);
  expect([removed, done]).toEqual([[3, 4], ["tidied"]]);
  await clock.advance(14_999);
  expect([removed, done]).toEqual([[3, 4], ["tidied"]]);
  await clock.advance(1);
  expect([removed, done]).toEqual([
    [3, 4, 2, 3, 4],
    ["tidied", "tidied again"],
  ]);
});

test("where there are none nothing is removed", async () => {
  begin();
  await clock.advance(60_000);
  expect([removed, done]).toEqual([[], ["tidied"]]);
});

test("they are removed at once when the partition is given up for good", async () => {
  await begin(3, 2).finish();
  expect([removed, done]).toEqual([[3, 4], ["tidied"]]);
});

test("they are left to the next owner when the partition moves before, or is lost", async () => {
  await begin(3, 2).pass();
  const other = begin(3, 2);
  lost.abort();
  await other.finish();
  await clock.advance(10_000);
  expect([removed, done]).toEqual([[], []]);
});

test("they are not left to the next owner when there are many: owners follow each other too fast", async () => {
  await begin(1, 1).pass();
  expect([removed, done]).toEqual([[1, 2, 3, 4], ["tidied"]]);
});

test("they stay on record to be removed once more when the partition is given up before", async () => {
  await begin(3, 2).finish();
  ended.abort();
  await clock.advance(60_000);
  expect([removed, done]).toEqual([[3, 4], ["tidied"]]);
});

test("they stay on record when one cannot be removed, which is told", async () => {
  remove = () => Promise.reject(new Error("no answer"));
  await begin(3, 2).finish();
  await clock.advance(60_000);
  expect([done, errors.length]).toEqual([[], 1]);
});

test("on a work queue all of them are gone before the owner makes its own, late ones included", async () => {
  await tidyingOf(3, 2).removeAll();
  expect([removed, done]).toEqual([[2, 3, 4], ["tidied"]]);
  await clock.advance(15_000);
  expect([removed.slice(3), done]).toEqual([
    [2, 3, 4],
    ["tidied", "tidied again"],
  ]);
});
