/** Waiting, by a clock in the test's hands. */
import { getEventListeners } from "node:events";
import { expect, test } from "vitest";
import { inTime, systemClock } from "../../src/clock.ts";
import { ManualClock } from "../support/clock.ts";

test("what comes in time is what it came to, and no alarm is left", async () => {
  const clock = new ManualClock();
  expect(await inTime(clock, 1_000, Promise.resolve("done"))).toBe("done");
  expect(clock.sleepers).toBe(0);
});

test("what takes longer is not waited for, and may fail in peace", async () => {
  const clock = new ManualClock();
  let fail = (_error: Error): void => {};
  const step = new Promise<never>((_resolve, reject) => (fail = reject));
  const waited = inTime(clock, 1_000, step);
  await clock.advance(1_000);
  expect(await waited).toBeUndefined();
  fail(new Error("too late"));
  await clock.advance(0);
});

test("what fails in time fails", async () => {
  const clock = new ManualClock();
  await expect(inTime(clock, 1_000, Promise.reject(new Error("no")))).rejects.toThrow("no");
  expect(clock.sleepers).toBe(0);
});

test("the machine's clock sleeps no longer once the signal aborts, and says why", async () => {
  const alarm = new AbortController();
  const sleeping = systemClock.sleep(60_000, alarm.signal);
  alarm.abort("the reason");
  await expect(sleeping).rejects.toBe("the reason");
  await expect(systemClock.sleep(0, alarm.signal)).rejects.toBe("the reason");
});

test("the machine's clock sleeps for as long as was asked, and leaves nothing with the signal", async () => {
  const { signal } = new AbortController();
  const begunAt = systemClock.now();
  await systemClock.sleep(20, signal);
  expect(systemClock.now() - begunAt).toBeGreaterThanOrEqual(19);
  expect(getEventListeners(signal, "abort")).toEqual([]);
});
