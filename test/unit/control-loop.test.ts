/** What the loop of one service does with decisions, and what it does not do. */
import { afterEach, describe, expect, test } from "vitest";
import { FakeService, configOf } from "../support/fake-service.ts";

/** Grows by the backlog and shrinks without it, at once. */
const RULES = {
  max_replicas: 8,
  scale_down_window: 0,
  cooldown: { down: 0 },
  rules: {
    scale_up_when: [{ metric: "queue.backlog", op: ">", value: 100 }],
    scale_down_when: [{ metric: "queue.backlog", op: "<=", value: 10 }],
  },
};

const CHECK_MS = 5_000;

let service: FakeService;
afterEach(() => service.stop());

/** A service with so many replicas, which has been looked at twice. */
async function running(
  replicas: number,
  more: Readonly<Record<string, unknown>> = {},
): Promise<void> {
  service = new FakeService({ ...RULES, ...more });
  for (let i = 0; i < replicas; i++) service.driver.start();
  // Neither too much nor too little.
  service.queue.backlog = 50;
  service.run();
  await service.clock.advance(CHECK_MS);
}

describe("a replica that is to go", () => {
  test("hands over first, and is removed only then", async () => {
    await running(2);
    let handOver = (): void => {};
    service.queue.draining = () => new Promise((resolve) => (handOver = resolve));
    service.queue.backlog = 0;
    await service.clock.advance(2 * CHECK_MS);
    expect(service.driver.did).toEqual(["drain r1"]);
    handOver();
    await service.clock.advance(1);
    expect(service.driver.did).toEqual(["drain r1", "drained r1", "remove r1"]);
  });

  test("is asked to end once drain_timeout has passed, and that is told", async () => {
    await running(2, { drain_timeout: "20ms" });
    service.queue.draining = (signal) =>
      new Promise((_, reject) => signal.addEventListener("abort", () => reject(signal.reason)));
    service.queue.backlog = 0;
    await service.clock.advance(CHECK_MS);
    // The deadline is of real time.
    await expect.poll(() => service.driver.did).toEqual(["drain r1", "remove r1"]);
    expect(service.errors.at(-1)).toMatchObject({
      code: "TIMEOUT",
      message: "r1 has not handed over within 20ms (drain_timeout); it is asked to end now",
    });
  });

  test("stays when the lead is lost while it hands over", async () => {
    await running(2);
    let handOver = (): void => {};
    service.queue.draining = () => new Promise((resolve) => (handOver = resolve));
    service.queue.backlog = 0;
    await service.clock.advance(CHECK_MS);
    service.leads = false;
    handOver();
    await service.clock.advance(CHECK_MS);
    expect(service.driver.did).toEqual(["drain r1", "drained r1"]);
  });
});

describe("nothing is done", () => {
  test("in a dry run, which uses up no action and says each decision once", async () => {
    await running(1, { dry_run: true, actions_per_hour: 1 });
    service.queue.backlog = 5_000;
    await service.clock.advance(10 * CHECK_MS);
    expect(service.driver.did).toEqual([]);
    expect(service.last).toMatchObject({ decision: "scale_up", target_replicas: 3, dry_run: true });
    expect(
      service.reports.filter(({ isNew, entry }) => isNew && entry.decision === "scale_up"),
    ).toHaveLength(1);
  });

  test("by a scaler that does not lead", async () => {
    await running(1);
    service.leads = false;
    service.queue.backlog = 5_000;
    await service.clock.advance(10 * CHECK_MS);
    expect(service.driver.did).toEqual([]);
    expect(service.last).toMatchObject({
      decision: "hold",
      reason: "this scaler does not lead now",
    });
    service.leads = true;
    await service.clock.advance(CHECK_MS);
    expect(service.driver.did).toEqual(["grow 2"]);
  });

  test("while the configuration is nonsense, not even the fallback", async () => {
    await running(1, { fallback: { failure_threshold: 1, replicas: 6 } });
    service.loop.heldBecause = "docktor.yaml cannot be used";
    service.queue.backlog = 5_000;
    await service.clock.advance(10 * CHECK_MS);
    expect(service.driver.did).toEqual([]);
    expect(service.last).toMatchObject({ decision: "hold", reason: "docktor.yaml cannot be used" });
  });

  test("before rates are known, which is no failure", async () => {
    service = new FakeService({ ...RULES, fallback: { failure_threshold: 1, replicas: 6 } });
    service.driver.start();
    service.run();
    await service.clock.advance(1);
    expect(service.last).toMatchObject({ decision: "hold" });
    expect(service.driver.did).toEqual([]);
  });

  test("by a metric that cannot be read, and its cause is told when it changes", async () => {
    await running(4);
    service.queue.failing = new Error("no answer");
    await service.clock.advance(3 * CHECK_MS);
    service.queue.failing = new Error("no stream");
    await service.clock.advance(3 * CHECK_MS);
    expect(service.driver.did).toEqual([]);
    const told = service.reports.filter(({ isNew }) => isNew).map(({ entry }) => entry.reason);
    expect(told.slice(-2)).toEqual([
      "no answer; nothing is changed",
      "no stream; nothing is changed",
    ]);
  });
});

describe("a platform that fails", () => {
  test("is tried again at each look, which uses up no action of the hour", async () => {
    await running(1, { actions_per_hour: 2 });
    service.driver.failing.grow = new Error("there is no such image");
    service.queue.backlog = 5_000;
    await service.clock.advance(10 * CHECK_MS);
    expect(service.driver.did).toHaveLength(10);
    expect(service.errors.at(-1)?.message).toBe("there is no such image");
    service.driver.failing = {};
    await service.clock.advance(CHECK_MS);
    expect(service.driver.replicas).toHaveLength(3);
  });

  test("for longer than the window is followed by watching for a window before anything shrinks", async () => {
    await running(4, { scale_down_window: "60s" });
    service.queue.backlog = 0;
    service.driver.failing.current = new Error("no engine");
    await service.clock.advance(300_000);
    service.driver.failing = {};
    await service.clock.advance(50_000);
    expect(service.driver.did).toEqual([]);
    await service.clock.advance(60_000);
    expect(service.driver.did).toContain("remove r1");
  });
});

test("rates are those of the whole time where it is looked at more seldom than metrics_window is long", async () => {
  service = new FakeService({ ...RULES, check_interval: "5m", metrics_window: "10s" });
  service.driver.start();
  service.run();
  await service.clock.advance(1);
  service.queue.handled += 30_000;
  await service.clock.advance(300_000);
  const readings = service.reports.at(-1)?.readings;
  expect(readings).toMatchObject({ rateIn: { short: 100, long: 100 }, rateOut: 100 });
});

test("new settings are in force at the next look", async () => {
  await running(1);
  service.loop.config = configOf({ ...RULES, min_replicas: 3 });
  await service.clock.advance(CHECK_MS);
  expect(service.driver.did).toEqual(["grow 2"]);
});
