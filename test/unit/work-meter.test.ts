/** How busy a member says it is. */
import { setTimeout as sleep } from "node:timers/promises";
import { expect, test } from "vitest";
import { WorkMeter } from "../../src/consumer/work-meter.ts";

test("a member whose partitions all wait for their handlers is busy all the time, though its thread rests", async () => {
  const meter = new WorkMeter();
  meter.read(2);
  const begunAt = performance.now();
  for (let i = 0; i < 2; i++) meter.began();
  await sleep(100);
  const { busyMs } = meter.read(2);
  const elapsedMs = performance.now() - begunAt;
  expect(busyMs / elapsedMs).toBeGreaterThan(0.95);
  expect(busyMs / elapsedMs).toBeLessThan(1.05);
});

test("a member of which one partition in four waits is busy for a quarter of the time", async () => {
  const meter = new WorkMeter();
  const begunAt = performance.now();
  meter.began();
  await sleep(400);
  meter.ended();
  const { busyMs } = meter.read(4);
  expect(busyMs / (performance.now() - begunAt)).toBeGreaterThan(0.2);
  expect(busyMs / (performance.now() - begunAt)).toBeLessThan(0.5);
});

test("a member whose thread computes is busy, whatever its partitions do", () => {
  const meter = new WorkMeter();
  const begunAt = performance.now();
  while (performance.now() - begunAt < 100);
  const { busyMs, processed } = meter.read(32);
  expect(busyMs).toBeGreaterThan(80);
  expect(processed).toBe(0);
});
