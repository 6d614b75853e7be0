/** What the scaler decides: pure, and so tried with thousands of situations. */
import fc from "fast-check";
import { describe, expect, test } from "vitest";
import { replicasFor } from "../../src/scaler/demand.ts";
import { decide, type Memory, NO_MEMORY, type PolicySettings } from "../../src/scaler/policy.ts";
import type { Readings } from "../../src/scaler/readings.ts";

const SETTINGS: PolicySettings = {
  minReplicas: 1,
  maxReplicas: 20,
  policy: { kind: "rate", utilization: 0.8, sloMs: 10_000, catchUpMs: 60_000, perReplica: undefined },
  windowMs: 180_000,
  cooldown: { upMs: 0, downMs: 0 },
  actionsPerHour: 1_000,
  fallback: undefined,
  paused: undefined,
  idleMs: 300_000,
};

function readings(given: Partial<Readings> & { rate?: number } = {}): Readings {
  const { rate = 0, ...rest } = given;
  return {
    backlog: 0,
    rateIn: { short: rate, long: rate },
    rateOut: rate,
    perReplica: 20,
    partitions: undefined,
    metrics: {},
    ...rest,
  };
}

interface Step {
  after: number;
  rate: number;
  backlog: number;
  failed: boolean;
  rebalancing: boolean;
}

const steps = fc.array(
  fc.record<Step>({
    after: fc.integer({ min: 1_000, max: 40_000 }),
    rate: fc.integer({ min: 0, max: 600 }),
    backlog: fc.oneof(fc.constant(0), fc.integer({ min: 0, max: 50_000 })),
    failed: fc.boolean(),
    rebalancing: fc.boolean(),
  }),
  { maxLength: 60 },
);

/** Carries out every decision at once, and tells of each. */
function play(
  settings: PolicySettings,
  all: readonly Step[],
  partitions?: Readings["partitions"],
): { at: number; step: Step; current: number; target: number }[] {
  let [memory, now, ready]: [Memory, number, number] = [NO_MEMORY, 0, settings.minReplicas];
  return all.map((step) => {
    now += step.after;
    const { rate, backlog, failed, rebalancing } = step;
    const result = decide(settings, memory, {
      now,
      replicas: { ready, starting: 0, draining: 0 },
      rebalancing,
      readings: failed ? { unread: "no answer" } : readings({ rate, backlog, partitions }),
    });
    memory = result.memory;
    const { current, target } = result.decision;
    ready = target;
    return { at: now, step, current, target };
  });
}

describe("whatever comes", () => {
  test("there are never fewer than the minimum or more than the maximum", () => {
    fc.assert(
      fc.property(steps, fc.integer({ min: 0, max: 4 }), fc.integer({ min: 4, max: 30 }), (all, min, max) => {
        const played = play({ ...SETTINGS, minReplicas: min, maxReplicas: max }, all);
        return played.every(({ target }) => target >= min && target <= max);
      }),
    );
  });

  test("there are never more than partitions with work", () => {
    fc.assert(
      fc.property(steps, fc.integer({ min: 1, max: 16 }), (all, withWork) => {
        const partitions = { count: 16, withWork, hottest: undefined };
        return play(SETTINGS, all, partitions).every(({ target }) => target <= withWork);
      }),
    );
  });

  test("nothing shrinks on a bad reading, or while partitions move", () => {
    fc.assert(
      fc.property(steps, (all) =>
        play(SETTINGS, all).every(
          ({ step, current, target }) => !(step.failed || step.rebalancing) || target >= current,
        ),
      ),
    );
  });

  test("nothing shrinks below what was wanted within the window, so that it would grow again", () => {
    fc.assert(
      fc.property(steps, (all) => {
        const played = play(SETTINGS, all);
        return played.every(({ at, current, target }) => {
          if (target >= current) return true;
          const before = played.filter((each) => each.at < at && each.at > at - SETTINGS.windowMs);
          return before.every((each) => each.target <= each.current || each.target <= target);
        });
      }),
    );
  });

  test("more messages or a larger backlog never want fewer replicas", () => {
    const load = fc.record({ rate: fc.integer({ min: 0, max: 500 }), backlog: fc.nat(50_000) });
    const more = fc.record({ rate: fc.nat(100), backlog: fc.nat(10_000) });
    fc.assert(
      fc.property(load, more, fc.option(fc.integer({ min: 1, max: 32 }), { nil: undefined }), (less, by, count) => {
        const partitions = count === undefined ? undefined : { count, withWork: count, hottest: undefined };
        const wanted = (rate: number, backlog: number): number =>
          decide(SETTINGS, NO_MEMORY, {
            now: 0,
            replicas: { ready: 1, starting: 0, draining: 0 },
            rebalancing: false,
            readings: readings({ rate, backlog, partitions }),
          }).decision.target;
        return wanted(less.rate + by.rate, less.backlog + by.backlog) >= wanted(less.rate, less.backlog);
      }),
    );
  });
});

describe("as many replicas as are strong enough, given whole partitions", () => {
  test("is the fewest of which the busiest has few enough", () => {
    fc.assert(
      fc.property(fc.integer({ min: 1, max: 64 }), fc.double({ min: 0.1, max: 64, noNaN: true }), (count, need) => {
        const strength = (n: number): number => count / Math.ceil(count / n);
        const found = replicasFor(need, { count, withWork: count, hottest: undefined });
        if (need > count) return found === count;
        const strongEnough = strength(found) >= need - 1e-9;
        return strongEnough && (found === 1 || strength(found - 1) < need + 1e-9);
      }),
    );
  });

  test.each([
    [9, 32, 11],
    [8, 32, 8],
    [17, 32, 32],
    [0.5, 32, 1],
  ])("%d of %d partitions are %d replicas", (need, count, replicas) => {
    expect(replicasFor(need, { count, withWork: count, hottest: undefined })).toBe(replicas);
  });
});
