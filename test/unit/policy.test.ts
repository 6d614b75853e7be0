/** What the scaler decides: pure, and so tried with thousands of situations. */
import fc from "fast-check";
import { describe, expect, test } from "vitest";
import { decide } from "../../src/scaler/policy.ts";
import type { Decision, PolicySettings } from "../../src/scaler/policy/decision.ts";
import { type Memory, NO_MEMORY } from "../../src/scaler/policy/memory.ts";
import type { PartitionReadings, Readings, Unread } from "../../src/scaler/policy/readings.ts";
import type { Rules } from "../../src/scaler/policy/rules.ts";

const RATE = {
  kind: "rate",
  utilization: 0.8,
  sloMs: 10_000,
  catchUpMs: 30_000,
  perReplica: undefined,
} as const;

const SETTINGS: PolicySettings = {
  minReplicas: 1,
  maxReplicas: 20,
  policy: RATE,
  metricsWindowMs: 10_000,
  windowMs: 180_000,
  cooldown: { upMs: 0, downMs: 0 },
  actionsPerHour: 1_000,
  fallback: undefined,
  paused: undefined,
  idleMs: 300_000,
};

const RULES: Rules = {
  scaleUpWhen: [
    { metric: "queue.backlog", op: ">", value: 500 },
    { metric: "queue.rate_in", op: ">", value: 200 },
  ],
  scaleDownWhen: [
    { metric: "queue.backlog", op: "<=", value: 100 },
    { metric: "queue.rate_in", op: "<", value: 150 },
  ],
  scaleUpBy: 3,
  scaleDownBy: 2,
};

const CPU_IS_HIGH = [{ metric: "cpu.avg_pct", op: ">", value: 80 }] as const;

type Given = Partial<Readings> & { rate?: number };

function readings({ rate = 0, ...rest }: Given = {}): Readings {
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

/** So many partitions, of which so many share these messages. */
function partitions(
  count: number,
  rate: number,
  backlog = 0,
  withWork = count,
): PartitionReadings[] {
  return Array.from({ length: count }, (_, i) =>
    i < withWork
      ? { rateIn: rate / withWork, backlog: backlog / withWork }
      : { rateIn: 0, backlog: 0 },
  );
}

/** A service whose time, replicas and readings the test sets. */
class Service {
  now = 0;
  ready: number;
  starting = 0;
  failing = 0;
  draining = 0;
  rebalancing = false;
  memory: Memory = NO_MEMORY;
  readonly settings: PolicySettings;

  constructor(settings: Partial<PolicySettings> = {}, ready = 1) {
    this.settings = { ...SETTINGS, ...settings };
    this.ready = ready;
  }

  /** Lets time pass, and decides. */
  after(ms: number, seen: Readings | Unread): Decision {
    this.now += ms;
    const { now, ready, starting, failing, draining, rebalancing } = this;
    const replicas = { ready, starting, failing, draining };
    const situation = { now, replicas, rebalancing, readings: seen };
    const { decision, memory } = decide(this.settings, this.memory, situation);
    this.memory = memory;
    return decision;
  }

  /** Decides every 5 s for so long, and carries out each decision at once. Returns the last. */
  during(ms: number, seen: Readings | Unread): Decision {
    let decision = this.after(0, seen);
    for (let passed = 0; passed < ms; passed += 5_000) {
      decision = this.after(5_000, seen);
      this.ready = decision.target;
    }
    return decision;
  }
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
  settings: Partial<PolicySettings>,
  all: readonly Step[],
  divided?: (step: Step) => PartitionReadings[],
): { at: number; step: Step; decision: Decision; memory: Memory }[] {
  const service = new Service(settings, settings.minReplicas ?? 1);
  return all.map((step) => {
    const { rate, backlog, failed } = step;
    service.rebalancing = step.rebalancing;
    const seen = failed
      ? { unread: "no answer" }
      : readings({
          rate,
          backlog,
          partitions: divided?.(step),
          metrics: { "queue.backlog": backlog, "queue.rate_in": rate },
        });
    const decision = service.after(step.after, seen);
    service.ready = decision.target;
    return { at: service.now, step, decision, memory: service.memory };
  });
}

const policies = fc.constantFrom(RATE, { kind: "rules", rules: RULES } as const);

describe("whatever comes", () => {
  test("there are never fewer than the minimum or more than the maximum", () => {
    const [min, max] = [fc.integer({ min: 0, max: 4 }), fc.integer({ min: 4, max: 30 })];
    fc.assert(
      fc.property(steps, policies, min, max, (all, policy, minReplicas, maxReplicas) =>
        play({ policy, minReplicas, maxReplicas }, all).every(
          ({ decision: { target } }) => target >= minReplicas && target <= maxReplicas,
        ),
      ),
    );
  });

  test("there are never more than partitions with work", () => {
    fc.assert(
      fc.property(steps, policies, fc.integer({ min: 1, max: 16 }), (all, policy, withWork) => {
        // A partition without messages coming in and without a backlog has no work.
        const busy = all.map((step) => ({ ...step, rate: step.rate + 1 }));
        const divided = ({ rate, backlog }: Step) => partitions(16, rate, backlog, withWork);
        return play({ policy }, busy, divided).every(({ decision }) => decision.target <= withWork);
      }),
    );
  });

  test("nothing shrinks on a bad reading, or while partitions move", () => {
    fc.assert(
      fc.property(steps, policies, (all, policy) =>
        play({ policy }, all).every(
          ({ step, decision }) => !(step.failed || step.rebalancing) || decision.action !== "down",
        ),
      ),
    );
  });

  test("nothing shrinks below what it grew to within the window", () => {
    fc.assert(
      fc.property(steps, policies, (all, policy) => {
        const played = play({ policy }, all);
        return played.every(({ at, decision: { action, target } }) => {
          if (action !== "down") return true;
          const before = played.filter(
            (each) => each.at < at && each.at > at - SETTINGS.windowMs && !each.step.failed,
          );
          return before.every(
            ({ decision }) => decision.action !== "up" || decision.target <= target,
          );
        });
      }),
    );
  });

  test("what is remembered stays small", () => {
    fc.assert(
      fc.property(steps, policies, (all, policy) =>
        play({ policy, actionsPerHour: 10 }, [...all, ...all, ...all]).every(
          ({ memory }) =>
            memory.desired.length <= SETTINGS.maxReplicas + 1 && memory.actions.length <= 10,
        ),
      ),
    );
  });

  test("more messages or a larger backlog never want fewer replicas", () => {
    const load = fc.record({ rate: fc.integer({ min: 1, max: 500 }), backlog: fc.nat(50_000) });
    const more = fc.record({ rate: fc.nat(100), backlog: fc.nat(10_000) });
    const shares = fc.option(
      fc.array(fc.integer({ min: 1, max: 9 }), { minLength: 1, maxLength: 32 }),
      {
        nil: undefined,
      },
    );
    const ready = fc.integer({ min: 1, max: 20 });
    fc.assert(
      fc.property(load, more, shares, ready, (less, by, weights, current) => {
        const total = weights?.reduce((sum, weight) => sum + weight, 0) ?? 1;
        const wanted = (rate: number, backlog: number): number => {
          const divided = weights?.map((weight) => ({
            rateIn: (rate * weight) / total,
            backlog: (backlog * weight) / total,
          }));
          // Nothing keeps it from shrinking.
          const service = new Service({ windowMs: 0 }, current);
          return service.after(0, readings({ rate, backlog, partitions: divided })).target;
        };
        return (
          wanted(less.rate + by.rate, less.backlog + by.backlog) >= wanted(less.rate, less.backlog)
        );
      }),
    );
  });
});

describe("by rates", () => {
  test("as many are wanted as keep up, and as many more as work the backlog off", () => {
    const { target, demand, reason } = new Service().after(
      0,
      readings({ rate: 80, backlog: 4_000 }),
    );
    expect(demand).toMatchObject({ rateIn: 80, perReplica: 20, steady: 5 });
    expect(demand?.catchUp).toBeCloseTo((4_000 - 240) / (30 * 20));
    expect(target).toBe(12);
    expect(reason).toBe("80 msg/s in and a backlog of 4000 need 5 + 6.3 replicas of 20 msg/s");
  });

  test("a service that keeps up stays, though it has no backlog", () => {
    const service = new Service({}, 5);
    expect(service.during(3_600_000, readings({ rate: 80 })).target).toBe(5);
  });

  test("replicas that are starting count, and no more are started in their place", () => {
    const service = new Service({}, 1);
    service.starting = 4;
    expect(service.after(0, readings({ rate: 80 }))).toMatchObject({ action: "hold", current: 5 });
  });

  test("replicas that keep failing count, too: more of them would do the same", () => {
    const service = new Service({}, 1);
    service.failing = 4;
    expect(service.after(0, readings({ rate: 80 }))).toMatchObject({ action: "hold", current: 5 });
  });

  test("a burst is answered by half, and in full once it lasts", () => {
    const rateIn = { short: 180, long: 100 };
    expect(new Service().after(0, readings({ rateIn })).demand?.rateIn).toBe(140);
  });

  test("noise around a whole number of replicas changes nothing", () => {
    const service = new Service({}, 5);
    service.during(200_000, readings({ rate: 80 }));
    for (const rate of [81, 79, 82, 78, 81]) {
      expect(service.after(5_000, readings({ rate })).action).toBe("hold");
    }
  });

  test("of a group of 32 partitions, 9 members would be no faster than 8: it grows to 11", () => {
    const service = new Service({}, 8);
    const seen = readings({ rate: 144, partitions: partitions(32, 144) });
    expect(service.after(0, seen)).toMatchObject({ target: 11, action: "up" });
  });

  test("a maximum that is no faster than fewer members is not used up", () => {
    const seen = readings({ rate: 1_000, partitions: partitions(32, 1_000) });
    expect(new Service().after(0, seen)).toMatchObject({ target: 16, rails: ["max"] });
  });

  test("a partition that gets more than one replica can handle is named, and more of it wants no more", () => {
    const heated = (hot: number) => {
      const divided = [...partitions(31, 62), { rateIn: hot, backlog: 100 * hot }];
      return new Service().after(
        0,
        readings({ rate: 62 + hot, backlog: 100 * hot, partitions: divided }),
      );
    };
    expect(heated(30).reason).toMatch(/partition 31 alone gets more than one replica can handle/);
    expect(heated(300).target).toBe(heated(30).target);
    expect(heated(15).demand?.hotPartition).toBeUndefined();
  });

  test("the slowest replica counts, as it has as many partitions as the others", () => {
    const seen = { rate: 80, partitions: partitions(32, 80) };
    const evenly = new Service().after(0, readings(seen));
    const unevenly = new Service().after(0, readings({ ...seen, slowest: 10 }));
    const broken = new Service().after(0, readings({ ...seen, slowest: 0.1 }));
    expect(unevenly.target).toBeGreaterThan(evenly.target);
    expect(unevenly.reason).toMatch(/the slowest handles 10, and has as many partitions/);
    // A replica that hardly works is to be mended, and not to be made up for by all there are.
    expect(broken.target).toBeLessThanOrEqual(2 * evenly.target + 1);
  });

  test("the last rate that was told holds while nobody is busy", () => {
    const service = new Service({}, 4);
    service.after(0, readings({ rate: 60 }));
    expect(service.after(5_000, readings({ rate: 100, perReplica: undefined })).target).toBe(7);
  });

  test("who has never been told a rate starts one, and waits for its word", () => {
    const service = new Service({ minReplicas: 0 }, 0);
    const seen = readings({ rate: 500, perReplica: undefined });
    expect(service.after(0, seen).target).toBe(1);
    service.ready = 1;
    expect(service.after(5_000, seen)).toMatchObject({
      action: "hold",
      reason: "no replica has reported its rate yet: set replica_rate to start from",
    });
  });
});

describe("shrinking", () => {
  const quiet = readings({ rate: 30 });

  test("waits until fewer have been wanted for as long as the window is, and goes by a quarter", () => {
    const service = new Service({ cooldown: { upMs: 0, downMs: 30_000 } }, 12);
    service.after(0, readings({ rate: 192 }));
    expect(service.during(175_000, quiet)).toMatchObject({ target: 12, rails: ["window"] });
    expect(service.after(10_000, quiet)).toMatchObject({ target: 9, rails: ["step"] });
    service.ready = 9;
    expect(service.after(5_000, quiet)).toMatchObject({ target: 9, rails: ["cooldown"] });
    expect(service.during(600_000, quiet).target).toBe(2);
  });

  test("does not begin before it has been watched for a window: a new leader knows nothing", () => {
    const service = new Service({}, 12);
    expect(service.after(0, quiet)).toMatchObject({ target: 12, rails: ["window"] });
    expect(service.during(170_000, quiet).target).toBe(12);
    expect(service.after(15_000, quiet).action).toBe("down");
  });

  test.each([
    ["draining", { draining: 1 }],
    ["starting", { starting: 1 }],
    ["rebalancing", { rebalancing: true }],
  ])("waits for what is %s", (rail, state) => {
    const service = new Service({}, 12);
    service.during(200_000, readings({ rate: 192 }));
    service.during(175_000, quiet);
    Object.assign(service, state);
    expect(service.after(60_000, quiet)).toMatchObject({ action: "hold", rails: [rail] });
    expect(service.after(5_000, quiet).reason).toMatch(/is still|are still/);
    Object.assign(service, { draining: 0, starting: 0, rebalancing: false });
    expect(service.after(5_000, quiet).action).toBe("down");
  });

  test("does not wait for what keeps failing: that is the first to go", () => {
    const service = new Service({}, 12);
    service.during(200_000, readings({ rate: 192 }));
    service.during(175_000, quiet);
    service.failing = 1;
    expect(service.after(60_000, quiet).action).toBe("down");
  });

  test("follows a maximum that was lowered, whatever was wanted before", () => {
    const service = new Service({}, 12);
    service.during(200_000, readings({ rate: 192 }));
    Object.assign(service.settings, { maxReplicas: 4 });
    expect(service.during(30_000, readings({ rate: 192 })).target).toBe(4);
  });
});

describe("bad readings", () => {
  const failed = { unread: "no answer from nats://127.0.0.1:4222" };

  test.each([
    ["NaN", { backlog: Number.NaN }],
    ["negative", { rateIn: { short: -1, long: 0 } }],
    ["infinite", { rateOut: Infinity }],
    ["of no partition at all", { partitions: [] }],
    ["in a partition", { partitions: [{ rateIn: Number.NaN, backlog: 0 }] }],
  ])("that are %s are errors, and no zeros", (_name, given) => {
    const service = new Service({}, 5);
    service.during(600_000, readings({ rate: 80 }));
    const decision = service.after(5_000, readings(given));
    expect(decision).toMatchObject({ action: "hold", target: 5, rails: ["unread"] });
    expect(decision.reason).toMatch(/reads/);
  });

  test("lead to the fallback once there are enough of them, and never to fewer", () => {
    const fallback = { failureThreshold: 3, replicas: 6 };
    const service = new Service({ fallback }, 4);
    expect(service.after(5_000, failed)).toMatchObject({ target: 4, rails: ["unread"] });
    expect(service.after(5_000, failed).target).toBe(4);
    const third = service.after(5_000, failed);
    expect(third).toMatchObject({ target: 6, rails: ["fallback"] });
    expect(third.reason).toBe("no answer from nats://127.0.0.1:4222; fallback.replicas is used");
    service.ready = 9;
    expect(service.after(5_000, failed)).toMatchObject({ target: 9, action: "hold" });
  });

  test("begin anew after a good one", () => {
    const service = new Service({ fallback: { failureThreshold: 2, replicas: 6 } }, 4);
    service.after(5_000, failed);
    service.after(5_000, readings({ rate: 60 }));
    expect(service.after(5_000, failed).target).toBe(4);
  });

  test("do not keep a service below its minimum", () => {
    expect(new Service({ minReplicas: 3 }, 1).after(0, failed).target).toBe(3);
  });

  test("for longer than the window are followed by watching for a window", () => {
    const service = new Service({}, 12);
    service.during(200_000, readings({ rate: 192 }));
    service.during(300_000, failed);
    expect(service.after(5_000, readings({ rate: 30 }))).toMatchObject({ rails: ["window"] });
  });
});

describe("the rails", () => {
  test("hold back a growth that is paused, and say what it would be", () => {
    const service = new Service({ paused: "out" }, 1);
    expect(service.after(0, readings({ rate: 160 }))).toMatchObject({
      action: "hold",
      rails: ["paused"],
      demand: { replicas: 10 },
    });
  });

  test("change nothing at all while all of it is paused", () => {
    const service = new Service({ paused: "all", windowMs: 0 }, 4);
    expect(service.after(0, readings({ rate: 800 }))).toMatchObject({
      target: 4,
      rails: ["max", "paused"],
    });
    expect(service.after(60_000, readings({ rate: 1 }))).toMatchObject({
      target: 4,
      rails: ["paused"],
    });
  });

  test("let a service whose shrinking is paused grow", () => {
    const service = new Service({ paused: "in" }, 1);
    expect(service.during(10_000, readings({ rate: 160 })).target).toBe(10);
    expect(service.during(600_000, readings({ rate: 1 }))).toMatchObject({ rails: ["paused"] });
  });

  test("leave a service alone for as long as its cooldown is", () => {
    const service = new Service({ cooldown: { upMs: 20_000, downMs: 0 } }, 1);
    expect(service.after(0, readings({ rate: 16 })).action).toBe("hold");
    expect(service.after(5_000, readings({ rate: 48 })).action).toBe("up");
    service.ready = 3;
    expect(service.after(5_000, readings({ rate: 160 }))).toMatchObject({ rails: ["cooldown"] });
    expect(service.after(15_000, readings({ rate: 160 })).action).toBe("up");
  });

  test("do not keep a service below its minimum, whatever was done in this hour", () => {
    const service = new Service({ actionsPerHour: 0, minReplicas: 3 }, 1);
    expect(service.after(0, readings({ rate: 1 }))).toMatchObject({ target: 3, rails: ["min"] });
  });

  test("end the actions of an hour", () => {
    const service = new Service({ actionsPerHour: 3 }, 1);
    for (let i = 1; i <= 3; i++) {
      service.ready = service.after(5_000, readings({ rate: 16 * (i + 1) })).target;
    }
    expect(service.ready).toBe(4);
    expect(service.after(5_000, readings({ rate: 160 }))).toMatchObject({ rails: ["budget"] });
    expect(service.after(3_600_000, readings({ rate: 160 })).action).toBe("up");
  });
});

describe("a growth that gains nothing", () => {
  const stuck = (backlog: number) => readings({ rate: 100, rateOut: 40, backlog });

  test("is followed by no other for ten minutes, and the reason says where to look", () => {
    const service = new Service({}, 2);
    service.ready = service.after(0, stuck(2_000)).target;
    expect(service.ready).toBeGreaterThan(4);
    service.during(55_000, stuck(2_500));
    const ready = service.ready;
    const held = service.after(10_000, readings({ rate: 200, rateOut: 40, backlog: 6_000 }));
    expect(held).toMatchObject({ action: "hold", target: ready });
    expect(held.rails).toContain("ineffective");
    expect(held.reason).toMatch(/max_ack_pending/);
    expect(service.after(601_000, stuck(60_000)).action).toBe("up");
  });

  test("is not one whose partitions were still on their way, or whose replicas were", () => {
    const service = new Service({}, 2);
    service.ready = service.after(0, stuck(2_000)).target;
    service.rebalancing = true;
    service.during(120_000, stuck(2_500));
    service.rebalancing = false;
    expect(service.after(5_000, stuck(60_000)).action).toBe("up");
  });

  test("is not one for a single partition, whose backlog no other replica can work on", () => {
    const hot = (backlog: number) => {
      const divided = [...partitions(31, 62), { rateIn: 38, backlog }];
      return readings({ rate: 100, rateOut: 82, backlog, partitions: divided });
    };
    const service = new Service({}, 2);
    service.ready = service.after(0, hot(2_000)).target;
    service.during(120_000, hot(4_000));
    const busier = readings({
      rate: 250,
      rateOut: 82,
      backlog: 9_000,
      partitions: partitions(32, 250, 9_000),
    });
    expect(service.after(5_000, busier).action).toBe("up");
  });

  test("is not one after which the backlog has gone", () => {
    const service = new Service({}, 2);
    service.ready = service.after(0, readings({ rate: 100, rateOut: 100, backlog: 2_000 })).target;
    service.during(120_000, readings({ rate: 100, rateOut: 100, backlog: 40 }));
    expect(service.after(5_000, readings({ rate: 300, rateOut: 100, backlog: 900 })).action).toBe(
      "up",
    );
  });
});

describe("down to zero", () => {
  const nothing = readings({ rate: 0, perReplica: undefined });
  const settings = { minReplicas: 0, idleMs: 60_000 };

  test("goes only who has had nothing to do for so long; each message begins that time anew", () => {
    const service = new Service(settings, 1);
    service.during(300_000, readings({ rate: 10 }));
    expect(service.during(50_000, nothing).target).toBe(1);
    service.after(5_000, readings({ backlog: 1 }));
    expect(service.during(55_000, nothing).target).toBe(1);
    expect(service.during(15_000, nothing).target).toBe(0);
  });

  test("a message wakes it although the processor time of none cannot be read", () => {
    const policy = { kind: "rules", rules: { ...RULES, scaleUpWhen: CPU_IS_HIGH } } as const;
    const service = new Service({ policy, minReplicas: 0 }, 0);
    const waiting = readings({ backlog: 1, metrics: { "queue.backlog": 1, "queue.rate_in": 0 } });
    expect(service.after(0, waiting)).toMatchObject({ action: "up", target: 1 });
    service.ready = 1;
    expect(service.after(5_000, waiting)).toMatchObject({ action: "hold", rails: ["unread"] });
  });

  test("goes also who has never been told a rate", () => {
    const service = new Service({ minReplicas: 0, idleMs: 60_000, windowMs: 0 }, 2);
    const idle = readings({ perReplica: undefined });
    expect(service.during(120_000, idle).target).toBe(0);
  });

  test("a single message wakes it, and by as many as it needed before", () => {
    const service = new Service(settings, 1);
    service.during(300_000, readings({ rate: 10 }));
    service.during(120_000, nothing);
    expect(service.ready).toBe(0);
    expect(service.after(1_000, readings({ backlog: 1, perReplica: undefined })).target).toBe(1);
    const dumped = readings({ backlog: 3_000, perReplica: undefined });
    expect(service.after(1_000, dumped).target).toBe(5);
  });

  test("it stays at zero while nothing comes", () => {
    expect(new Service(settings, 0).during(3_600_000, nothing)).toMatchObject({ target: 0 });
  });

  test("it is not taken to where the user wants one", () => {
    expect(new Service({ idleMs: 60_000 }, 1).during(600_000, nothing).target).toBe(1);
  });
});

/** What was wrong in docktor's predecessor in Go, from which it learned. */
describe("defects of docktor-Go", () => {
  const ruled = (metrics: Record<string, number>) => readings({ rate: 100, metrics });
  const settings: Partial<PolicySettings> = { policy: { kind: "rules", rules: RULES } };

  test("the first decision, of which nothing is remembered, is one like any other", () => {
    const decision = new Service(settings).after(
      0,
      ruled({ "queue.backlog": 900, "queue.rate_in": 1 }),
    );
    expect(decision).toMatchObject({
      action: "up",
      current: 1,
      target: 4,
      reason: "queue.backlog > 500",
    });
  });

  test("rules are honoured, any of those for more and all of those for fewer, with their steps", () => {
    const service = new Service({ ...settings, windowMs: 0 }, 8);
    const step = (backlog: number, rate: number): number => {
      const decision = service.after(
        60_000,
        ruled({ "queue.backlog": backlog, "queue.rate_in": rate }),
      );
      return decision.target - decision.current;
    };
    expect(step(0, 300)).toBe(3);
    expect(step(900, 0)).toBe(3);
    expect(step(300, 175)).toBe(0);
    expect(step(50, 175)).toBe(0);
    expect(step(50, 100)).toBe(-2);
  });

  test("a condition for more that holds is followed, whatever else cannot be read", () => {
    const decision = new Service(settings, 8).after(0, ruled({ "queue.backlog": 900 }));
    expect(decision).toMatchObject({ action: "up", reason: "queue.backlog > 500" });
  });

  test("a metric that is missing is no zero: nothing shrinks by it, and it is named", () => {
    const service = new Service({ ...settings, windowMs: 0 }, 8);
    const decision = service.after(60_000, ruled({ "queue.backlog": 0 }));
    expect(decision).toMatchObject({ action: "hold", rails: ["unread"] });
    expect(decision.reason).toMatch(/^queue\.rate_in has no reading/);
  });

  test("a rate that was counted below zero is an error, and not 18 trillion messages", () => {
    const decision = new Service().after(0, readings({ rateIn: { short: -3, long: 0 } }));
    expect(decision).toMatchObject({ action: "hold", rails: ["unread"] });
  });
});
