/** Rates and readings from several looks at a queue. */
import fc from "fast-check";
import { describe, expect, test } from "vitest";
import type { Readings } from "../../src/scaler/policy/readings.ts";
import { keeping, readingsFrom } from "../../src/scaler/signals/history.ts";
import type { MemberSample, PartSample, QueueSample } from "../../src/scaler/signals/queue.ts";

const SHORT_MS = 10_000;

function look(
  at: number,
  parts: readonly PartSample[],
  more: Partial<QueueSample> = {},
): QueueSample {
  const backlog = parts.reduce((sum, part) => sum + part.backlog, 0);
  return {
    at,
    backlog,
    lag: backlog,
    oldestMs: undefined,
    parts,
    partitioned: true,
    members: undefined,
    rebalancing: false,
    ...more,
  };
}

const part = (handled: number, backlog = 0, counter = "1"): PartSample => ({
  counter,
  handled,
  backlog,
});

function read(samples: readonly QueueSample[]): Readings {
  const readings = readingsFrom(samples, SHORT_MS);
  if ("unread" in readings) throw new Error(readings.unread);
  return readings;
}

describe("rates", () => {
  test("need two looks", () => {
    expect(readingsFrom([look(0, [part(0)])], SHORT_MS)).toEqual({
      unread: "rates need two readings, and this is the first",
      isEarly: true,
    });
  });

  test("in is what was handled and what the backlog has grown by; out is what was handled", () => {
    const { rateIn, rateOut, metrics } = read([
      look(0, [part(0, 10), part(100, 0)]),
      look(5_000, [part(50, 20), part(150, 5)]),
    ]);
    // 50 + 10 and 50 + 5 in 5 s.
    expect(rateIn).toEqual({ short: 23, long: 23 });
    expect(rateOut).toBe(20);
    expect(metrics).toEqual({
      "queue.backlog": 25,
      "queue.lag": 25,
      "queue.rate_in": 23,
      "queue.rate_out": 20,
    });
  });

  test("leave a partition out while it changes hands, and go on with its rate from before", () => {
    const { rateIn, partitions } = read([
      look(0, [part(0)]),
      look(30_000, [part(300)]),
      look(40_000, [part(3, 0, "2")]),
    ]);
    expect(rateIn).toEqual({ short: 10, long: 10 });
    expect(partitions).toEqual([{ rateIn: 10, backlog: 0 }]);
  });

  test("over the short window show a burst that the long one evens out", () => {
    const samples = Array.from({ length: 13 }, (_, i) => look(i * 5_000, [part(i * 500)]));
    samples[11] = look(55_000, [part(5_500, 2_000)]);
    samples[12] = look(60_000, [part(6_000, 4_000)]);
    const { rateIn } = read(samples);
    expect(rateIn.short).toBe(500);
    expect(rateIn.long).toBeCloseTo(10_000 / 60);
  });

  test("are not made up where no counter has gone on", () => {
    const samples = [look(0, [part(10, 5, "1")]), look(5_000, [part(0, 5, "2")])];
    expect(readingsFrom(samples, SHORT_MS)).toMatchObject({ isEarly: true });
  });

  test("are never negative and always numbers, whatever is purged, handled again or made anew", () => {
    const parts = fc.array(
      fc.record({
        counter: fc.constantFrom("1", "2"),
        handled: fc.nat(1_000_000),
        backlog: fc.nat(1_000_000),
      }),
      { minLength: 3, maxLength: 3 },
    );
    fc.assert(
      fc.property(
        fc.array(parts, { minLength: 2, maxLength: 20 }),
        fc.integer({ min: 1, max: 20_000 }),
        (all, everyMs) => {
          const samples = all.map((each, i) => look(i * everyMs, each));
          const readings = readingsFrom(samples, SHORT_MS);
          // Only where no counter has gone on: then there is nothing to tell from.
          if ("unread" in readings) return readings.isEarly === true;
          const { rateIn, rateOut, partitions = [] } = readings;
          const rates = [
            rateIn.short,
            rateIn.long,
            rateOut,
            ...partitions.map((each) => each.rateIn),
          ];
          return rates.every((rate) => Number.isFinite(rate) && rate >= 0);
        },
      ),
    );
  });
});

describe("what one replica handles in a second of being busy", () => {
  const member = (processed: number, busyMs: number, incarnation = "1"): MemberSample => ({
    id: "a",
    incarnation,
    state: "active",
    startedAt: 0,
    partitions: 1,
    work: { processed, busyMs },
  });
  const seen = (at: number, ...members: MemberSample[]): QueueSample =>
    look(at, [part(0)], { members });

  test("is told by how busy members were, and not by what they were given", () => {
    expect(read([seen(0, member(0, 0)), seen(10_000, member(100, 2_000))]).perReplica).toBe(50);
  });

  test("is unknown while nobody was busy for long enough", () => {
    expect(read([seen(0, member(0, 0)), seen(10_000, member(3, 249))]).perReplica).toBeUndefined();
  });

  test("is told of the slowest, too, of those that were busy for as long as the short window", () => {
    const with_ = (work: Partial<Record<"a" | "b" | "c", [number, number]>>, at: number) =>
      seen(
        at,
        ...Object.entries(work).map(([id, [processed, busyMs]]) => ({
          ...member(processed, busyMs),
          id,
        })),
      );
    const { perReplica, slowest } = read([
      with_({ a: [0, 0], b: [0, 0], c: [0, 0] }, 0),
      with_({ a: [1_000, 20_000], b: [200, 10_000], c: [1, 9_999] }, 60_000),
    ]);
    expect(slowest).toBe(20);
    expect(perReplica).toBeCloseTo(1_201 / 39.999);
  });

  test("does not mix one life of a member with the next", () => {
    const samples = [
      seen(0, member(1_000, 9_000)),
      seen(5_000, member(10, 0, "2")),
      seen(10_000, member(40, 1_000, "2")),
    ];
    expect(read(samples).perReplica).toBe(30);
  });
});

test("the looks that are kept cover the last minute, and no more", () => {
  let samples: QueueSample[] = [];
  for (let i = 0; i < 100; i++) samples = keeping(samples, look(i * 5_000, [part(i)]), SHORT_MS);
  expect(samples.map(({ at }) => at)).toEqual(
    Array.from({ length: 13 }, (_, i) => (87 + i) * 5_000),
  );
});
