/** The simulator: what it promises of itself, and what the policy has to reach in it. */
import fc from "fast-check";
import { describe, expect, test } from "vitest";
import { Backlog } from "../../src/scaler/simulator/backlog.ts";
import { Group } from "../../src/scaler/simulator/group.ts";
import type { PolicyName } from "../../src/scaler/simulator/policies/policies.ts";
import type { MakePolicy } from "../../src/scaler/simulator/policies/policy.ts";
import { createRandom } from "../../src/scaler/simulator/random.ts";
import { SERVICE } from "../../src/scaler/simulator/service.ts";
import { simulate, type Simulated } from "../../src/scaler/simulator/simulate.ts";
import { WORKLOADS, type WorkloadName } from "../../src/scaler/simulator/workloads.ts";

const ALL = Object.keys(WORKLOADS) as WorkloadName[];

/** As many replicas as there may be, and one fewer, by turns every minute. */
const seesaw: MakePolicy = ({ maxReplicas }) => ({
  name: "seesaw",
  settings: "",
  intervalMs: 60_000,
  begin:
    () =>
    ({ now }) =>
      maxReplicas - (Math.abs(now / 60_000) % 2),
});

describe("the backlog of a partition", () => {
  test("gives out what came first, and all of it", () => {
    const operations = fc.array(
      fc.oneof(fc.record({ add: fc.nat(50) }), fc.record({ take: fc.nat(80) })),
      { maxLength: 300 },
    );
    fc.assert(
      fc.property(operations, (all) => {
        const backlog = new Backlog();
        const plain: number[] = [];
        for (const [at, operation] of all.entries()) {
          if ("add" in operation) {
            backlog.add(at, operation.add);
            plain.push(...Array.from({ length: operation.add }, () => at));
          } else {
            const taken = backlog.take(operation.take);
            expect(taken).toBe(plain.splice(0, operation.take).length);
          }
          expect([backlog.size, backlog.oldestAt]).toEqual([plain.length, plain[0]]);
        }
      }),
    );
  });
});

describe("chance", () => {
  test("is as much as is to be expected, for small rates and for large ones", () => {
    const random = createRandom("poisson");
    for (const mean of [0, 0.05, 3, 29, 31, 700]) {
      const drawn = Array.from({ length: 4_000 }, () => random.poisson(mean));
      const average = drawn.reduce((sum, count) => sum + count, 0) / drawn.length;
      const spread = drawn.reduce((sum, count) => sum + (count - mean) ** 2, 0) / drawn.length;
      expect(Math.abs(average - mean)).toBeLessThanOrEqual(4 * Math.sqrt(mean / drawn.length));
      expect(Math.abs(spread - mean)).toBeLessThanOrEqual(0.15 * mean);
    }
  });

  test("is the same from the same seed, and another from another", () => {
    const drawn = (seed: string) => {
      const random = createRandom(seed);
      return Array.from({ length: 9 }, () => random.next());
    };
    expect(drawn("7/a")).toEqual(drawn("7/a"));
    expect(drawn("7/a")).not.toEqual(drawn("7/b"));
  });
});

describe("the group", () => {
  test("moves only what has to move, and pauses nothing else", () => {
    const group = new Group(SERVICE, 0, createRandom("group"));
    group.scaleTo(4, 0);
    group.advance(60_000);
    group.scaleTo(5, 60_000);
    expect(group.replicas).toEqual({ ready: 4, starting: 1, failing: 0, draining: 0 });
    group.advance(120_000);
    const moving = Array.from({ length: 32 }, (_, partition) => group.isMoving(partition, 120_000));
    // Four members of eight each, and the fifth gets six.
    expect(moving.filter(Boolean)).toHaveLength(6);
    expect(group.moves).toBe(6);
    expect(group.isRebalancing(121_000)).toBe(false);
    group.scaleTo(4, 130_000);
    expect(group.replicas).toEqual({ ready: 4, starting: 0, failing: 0, draining: 1 });
    expect(group.moves).toBe(12);
    group.advance(131_000);
    expect(group.replicas.draining).toBe(0);
  });
});

describe("a simulation", () => {
  test.each<WorkloadName>(["dump", "outage", "day"])(
    "of %s loses no message and adds none",
    (workload) => {
      const { arrived, handled, backlog } = simulate({ workload, policy: seesaw });
      expect(handled + backlog).toBe(arrived);
      expect(arrived).toBeGreaterThan(100_000);
    },
  );

  test("is the same from the same seed, and brings every policy the same messages", () => {
    const run = (policy: PolicyName, seed: number) => simulate({ workload: "day", policy, seed });
    const played = run("docktor", 5);
    expect(run("docktor", 5)).toEqual(played);
    expect(run("fixed", 5).arrived).toBe(played.arrived);
    expect(run("fixed", 6).arrived).not.toBe(played.arrived);
  });

  test("counts actions, reversals and replica-hours", () => {
    const { hours, actions, reversals, replicaHours } = simulate({
      workload: "ramp",
      policy: seesaw,
      service: { maxReplicas: 12 },
    });
    expect(hours).toBe(2);
    expect([actions, reversals]).toEqual([120, 120]);
    // With a second of hand-over for each that leaves.
    expect(replicaHours).toBeCloseTo(2 * 11.5 + 60 / 3_600, 1);
  });

  test("says what there is when asked for what there is not", () => {
    const workload = "tides" as WorkloadName;
    expect(() => simulate({ workload, policy: "docktor" })).toThrow(
      /there is no workload tides: use steps, sine, /,
    );
  });
});

describe("docktor's policy, over all workloads", () => {
  // None of those that it, or its rival, was tuned on, nor those of docs/scaling-policy.md.
  const seeds = [301, 302, 303];

  interface Means {
    overSlo: number;
    replicas: number;
    reversals: number;
  }

  function means(policy: PolicyName, startUpMs: number): Means {
    const all = ALL.flatMap((workload) =>
      seeds.map((seed) => simulate({ workload, policy, seed, service: { startUpMs } })),
    );
    const mean = (of: (each: Simulated) => number): number =>
      all.reduce((sum, each) => sum + of(each), 0) / all.length;
    return {
      overSlo: mean(({ overSlo }) => overSlo),
      replicas: mean(({ replicaHours, hours }) => replicaHours / hours),
      reversals: mean(({ reversals, hours }) => reversals / hours),
    };
  }

  test.each([
    [15, 1],
    [60, 3],
  ])(
    "with a start-up of %d s, is over the SLO for at most %d per cent of the time, and costs and turns no more than KEDA at its best",
    (seconds, percent) => {
      const ours = means("docktor", seconds * 1_000);
      const keda = means("keda", seconds * 1_000);
      expect(100 * ours.overSlo).toBeLessThanOrEqual(percent);
      expect(ours.replicas).toBeLessThanOrEqual(keda.replicas);
      expect(ours.reversals).toBeLessThanOrEqual(keda.reversals);
    },
    // 54 simulations, some seconds on a free core.
    120_000,
  );
});
