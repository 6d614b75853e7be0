/** docktor's rivals in the simulator: each does what its source says. */
import { describe, expect, test } from "vitest";
import type { Readings, Unread } from "../../src/scaler/policy/readings.ts";
import { flink } from "../../src/scaler/simulator/policies/flink.ts";
import { hpaCpu } from "../../src/scaler/simulator/policies/hpa.ts";
import { keda } from "../../src/scaler/simulator/policies/keda.ts";
import { POLICIES } from "../../src/scaler/simulator/policies/policies.ts";
import type { MakePolicy } from "../../src/scaler/simulator/policies/policy.ts";
import { SERVICE } from "../../src/scaler/simulator/service.ts";

/** What a policy is told. */
interface Told extends Partial<Pick<Readings, "backlog" | "perReplica">> {
  readonly rate?: number;
  readonly cpu?: number;
  readonly starting?: number;
}

const UNREAD: Unread = { unread: "no answer" };

/** A policy that is asked every so often, and whose wishes come true at once. */
class Asked {
  replicas: number;
  #now = 0;
  readonly #everyMs: number;
  readonly #decide: ReturnType<ReturnType<MakePolicy>["begin"]>;

  constructor(make: MakePolicy, replicas: number) {
    const { begin, intervalMs } = make(SERVICE);
    this.#decide = begin();
    this.#everyMs = intervalMs;
    this.replicas = replicas;
  }

  ask(told: Told | Unread): number {
    this.#now += this.#everyMs;
    const starting = "unread" in told ? 0 : (told.starting ?? 0);
    this.replicas = this.#decide({
      now: this.#now,
      replicas: { ready: this.replicas - starting, starting, failing: 0, draining: 0 },
      rebalancing: false,
      readings: "unread" in told ? told : readingsOf(told),
    });
    return this.replicas;
  }

  /** The same for so long; what came of each time. */
  askFor(seconds: number, told: Told | Unread): number[] {
    return Array.from({ length: (seconds * 1_000) / this.#everyMs }, () => this.ask(told));
  }
}

function readingsOf({ backlog = 0, rate = 0, perReplica, cpu }: Told): Readings {
  return {
    backlog,
    rateIn: { short: rate, long: rate },
    rateOut: rate,
    perReplica,
    partitions: Array.from({ length: 32 }, () => ({ rateIn: rate / 32, backlog: backlog / 32 })),
    metrics: {
      "queue.backlog": backlog,
      "queue.rate_in": rate,
      ...(cpu === undefined ? {} : { "cpu.avg_pct": cpu }),
    },
  };
}

describe("KEDA", () => {
  test("has as many replicas as its lag goes into the backlog, and leaves a tenth alone", () => {
    const asked = new Asked(keda(10), 4);
    expect([43, 45, 60].map((backlog) => asked.ask({ backlog }))).toEqual([4, 5, 6]);
  });

  test("at most doubles or adds four at a time", () => {
    const asked = new Asked(keda(10), 1);
    expect(asked.askFor(45, { backlog: 5_000 })).toEqual([5, 10, 16]);
  });

  test("goes down to no less than was wanted in the stabilization window", () => {
    const asked = new Asked(keda(10), 2);
    asked.ask({ backlog: 60 });
    asked.ask({ backlog: 30 });
    expect(asked.askFor(270, { backlog: 10 }).every((replicas) => replicas === 6)).toBe(true);
    expect([asked.ask({ backlog: 10 }), asked.ask({ backlog: 10 })]).toEqual([3, 1]);
  });

  test("goes down slowly where users say so", () => {
    const asked = new Asked(keda(10, { windowS: 60, scaleDownPct: 10 }), 16);
    asked.askFor(60, { backlog: 0 });
    const minutes = Array.from({ length: 4 }, () => Math.min(...asked.askFor(60, { backlog: 0 })));
    expect(minutes).toEqual([14, 12, 10, 9]);
  });

  test("falls back after more failures than the threshold, and never to fewer", () => {
    const asked = new Asked(keda(10), 4);
    expect(asked.askFor(75, UNREAD)).toEqual([4, 4, 4, 8, 10]);
    const many = new Asked(keda(10), 12);
    expect(many.askFor(75, UNREAD).at(-1)).toBe(12);
  });
});

describe("HPA on CPU", () => {
  test("brings the load to its target, and leaves a tenth alone", () => {
    const asked = new Asked(hpaCpu(50), 4);
    expect([54, 45, 60, 75].map((cpu) => asked.ask({ cpu }))).toEqual([4, 4, 5, 8]);
  });

  test("going up, counts what is starting as idle", () => {
    const asked = new Asked(hpaCpu(50), 6);
    // Four at 80 % are six at 53 %.
    expect(asked.ask({ cpu: 80, starting: 2 })).toBe(6);
    expect(asked.ask({ cpu: 105, starting: 2 })).toBe(9);
  });

  test("stays while there is no metric", () => {
    const asked = new Asked(hpaCpu(50), 4);
    expect([asked.ask(UNREAD), asked.ask({})]).toEqual([4, 4]);
  });
});

describe("Flink's autoscaler", () => {
  const load = { perReplica: 40 };

  test("stays within the band, and goes to its target beyond it", () => {
    const asked = new Asked(flink(0.5, 0.1), 8);
    // 60 % of 8 replicas are 192 msg/s.
    expect(asked.ask({ ...load, rate: 190 })).toBe(8);
    expect(asked.ask({ ...load, rate: 200 })).toBe(11);
  });

  test("works a backlog off within the catch-up time", () => {
    const asked = new Asked(flink(0.5, 0.1), 4);
    expect(asked.ask({ ...load, rate: 80, backlog: 9_600 })).toBe(8);
  });

  test("goes down after five minutes, to the most that was wanted", () => {
    const asked = new Asked(flink(0.5, 0.1), 8);
    asked.ask({ ...load, rate: 160 });
    expect(asked.askFor(285, { ...load, rate: 40 }).every((replicas) => replicas === 8)).toBe(true);
    // No more than 60 % at a time.
    expect(asked.ask({ ...load, rate: 40 })).toBe(4);
  });
});

describe("the rules of docktor's predecessor", () => {
  test("add two for any reason, and take one away for all", () => {
    const asked = new Asked(POLICIES["docktor-go"], 4);
    expect(asked.ask({ backlog: 501, rate: 10 })).toBe(6);
    expect(asked.ask({ backlog: 0, rate: 201 })).toBe(8);
    expect(asked.ask({ backlog: 101, rate: 10 })).toBe(8);
    expect(asked.ask({ backlog: 100, rate: 149 })).toBe(7);
  });
});
