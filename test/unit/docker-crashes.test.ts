import { expect, test } from "vitest";
import { Crashes } from "../../src/scaler/drivers/docker-crashes.ts";
import { ManualClock } from "../support/clock.ts";

/** A life that began at that minute and lasted for so many seconds. */
const life = (minute: number, seconds: number): { StartedAt: string; FinishedAt: string } => {
  const start = Date.UTC(2026, 0, 1, 0, minute);
  return {
    StartedAt: new Date(start).toISOString(),
    FinishedAt: new Date(start + seconds * 1_000).toISOString(),
  };
};

test("a container that has crashed rests before it may be started again, longer each time, until it has run well", async () => {
  const clock = new ManualClock();
  const crashes = new Crashes(clock);
  const restOf = async (minute: number, seconds: number): Promise<number> => {
    let ms = 0;
    while (crashes.rests("a", life(minute, seconds))) {
      await clock.advance(500);
      ms += 500;
    }
    return ms;
  };
  expect(await restOf(1, 1)).toBe(1_000);
  expect(await restOf(2, 1)).toBe(2_000);
  expect(await restOf(3, 1)).toBe(4_000);
  expect(await restOf(4, 60)).toBe(1_000);
});

test("containers that are gone are forgotten", async () => {
  const clock = new ManualClock();
  const crashes = new Crashes(clock);
  expect(crashes.rests("a", life(1, 1))).toBe(true);
  await clock.advance(1_000);
  expect(crashes.rests("a", life(1, 1))).toBe(false);
  crashes.keepOnly(new Set(["b"]));
  expect(crashes.rests("a", life(1, 1))).toBe(true);
});
