import fc from "fast-check";
import { describe, expect, test } from "vitest";
import { isDocktorError } from "../../src/errors.ts";
import { createPacer, type Pace } from "../../src/producer/pacer.ts";

/** Rates with up to two decimals, as people write them. */
const rate = fc.integer({ min: 1, max: 10_000_000 }).map((hundredths) => hundredths / 100);
const wholeRate = fc.integer({ min: 1, max: 100_000 });
const elapsed = fc.integer({ min: 0, max: 86_400_000 });

function burstOf(rates: fc.Arbitrary<number>): fc.Arbitrary<Required<Pace>> {
  return fc
    .record({ rate: rates, peak: rates, steadyMs: fc.nat(60_000), durationMs: fc.nat(60_000) })
    .filter(({ steadyMs, durationMs }) => steadyMs > 0 && durationMs > 0)
    .map(({ rate, peak, steadyMs, durationMs }) => ({
      rate,
      burst: { rate: peak, intervalMs: steadyMs + durationMs, durationMs },
    }));
}

const pace: fc.Arbitrary<Pace> = fc.oneof(fc.record({ rate }), burstOf(rate));

describe("a pacer", () => {
  test("never takes back what was due", () => {
    fc.assert(
      fc.property(pace, elapsed, fc.nat(100_000), (options, start, more) => {
        const pacer = createPacer(options);
        expect(pacer.dueBy(start + more)).toBeGreaterThanOrEqual(pacer.dueBy(start));
      }),
    );
  });

  test("keeps the steady rate exactly", () => {
    fc.assert(
      fc.property(wholeRate, fc.nat(100_000), (perSecond, seconds) => {
        expect(createPacer({ rate: perSecond }).dueBy(seconds * 1_000)).toBe(perSecond * seconds);
      }),
    );
  });

  test("keeps the average of steady rate and burst exactly over whole rounds", () => {
    fc.assert(
      fc.property(burstOf(wholeRate), fc.nat(100), ({ rate, burst }, rounds) => {
        // In a thousand rounds no fraction of a message is left over.
        const steadyMs = burst.intervalMs - burst.durationMs;
        const due = createPacer({ rate, burst }).dueBy(rounds * 1_000 * burst.intervalMs);
        expect(due).toBe(rounds * (rate * steadyMs + burst.rate * burst.durationMs));
      }),
    );
  });

  test("comes to the same total however the time is split", () => {
    fc.assert(
      fc.property(pace, fc.array(fc.nat(5_000), { maxLength: 50 }), (options, steps) => {
        const pacer = createPacer(options);
        let now = 0;
        let published = 0;
        for (const step of steps) {
          now += step;
          published += pacer.dueBy(now) - published;
        }
        expect(published).toBe(pacer.dueBy(now));
        expect(published).toBe(pacer.dueBy(now + 0.9));
      }),
    );
  });

  test("repeats itself every round", () => {
    fc.assert(
      fc.property(burstOf(wholeRate), fc.nat(20), elapsed, (options, thousands, after) => {
        const pacer = createPacer(options);
        const rounds = thousands * 1_000 * options.burst.intervalMs;
        expect(pacer.dueBy(rounds + after)).toBe(pacer.dueBy(rounds) + pacer.dueBy(after));
      }),
    );
  });

  test("names the first millisecond at which a message is due", () => {
    fc.assert(
      fc.property(pace, fc.integer({ min: 1, max: 1_000_000 }), (options, count) => {
        const pacer = createPacer(options);
        const at = pacer.dueAt(count);
        expect(Number.isInteger(at)).toBe(true);
        expect(pacer.dueBy(at)).toBeGreaterThanOrEqual(count);
        if (at > 0) expect(pacer.dueBy(at - 1)).toBeLessThan(count);
      }),
    );
  });

  test("begins each round with the steady rate and ends it with the burst", () => {
    const pacer = createPacer({
      rate: 100,
      burst: { rate: 500, intervalMs: 60_000, durationMs: 10_000 },
    });
    expect(pacer.dueBy(50_000)).toBe(5_000);
    expect(pacer.dueBy(60_000)).toBe(10_000);
    expect(pacer.dueBy(61_000)).toBe(10_100);
  });

  test("can rest between bursts, and pause during them", () => {
    const rests = createPacer({
      rate: 0,
      burst: { rate: 10, intervalMs: 2_000, durationMs: 1_000 },
    });
    expect([0, 1_000, 2_000, 3_000].map((at) => rests.dueBy(at))).toEqual([0, 0, 10, 10]);
    expect(rests.dueAt(1)).toBe(1_100);
    const pauses = createPacer({
      rate: 10,
      burst: { rate: 0, intervalMs: 2_000, durationMs: 1_000 },
    });
    expect([0, 1_000, 2_000, 3_000].map((at) => pauses.dueBy(at))).toEqual([0, 10, 10, 20]);
  });

  test("has everything due at once without a rate", () => {
    expect(createPacer({}).dueBy(0)).toBe(Number.POSITIVE_INFINITY);
    expect(createPacer({}).dueAt(1_000_000)).toBe(0);
  });

  test.each<[string, Pace]>([
    ["a negative rate", { rate: -1 }],
    ["a rate that is not a number", { rate: Number.NaN }],
    ["an infinite rate", { rate: Number.POSITIVE_INFINITY }],
    ["a rate of 0 for ever", { rate: 0 }],
    ["a burst without a rate", { burst: { rate: 1, intervalMs: 2, durationMs: 1 } }],
    ["a negative burst", { rate: 1, burst: { rate: -1, intervalMs: 2, durationMs: 1 } }],
    ["a burst every 0 ms", { rate: 1, burst: { rate: 1, intervalMs: 0, durationMs: 1 } }],
    ["a burst of NaN ms", { rate: 1, burst: { rate: 1, intervalMs: 2, durationMs: Number.NaN } }],
    ["bursts that overlap", { rate: 1, burst: { rate: 1, intervalMs: 1, durationMs: 2 } }],
    ["nothing in and out of bursts", { rate: 0, burst: { rate: 0, intervalMs: 2, durationMs: 1 } }],
  ])("refuses %s", (_what, options) => {
    expect(() => createPacer(options)).toThrow(
      expect.toSatisfy((error: unknown) => isDocktorError(error, "INVALID_OPTION")),
    );
  });
});
