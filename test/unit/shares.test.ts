/** How strong a group is that works on whole partitions. */
import fc from "fast-check";
import { describe, expect, test } from "vitest";
import { fewestAs, replicasFor } from "../../src/scaler/policy/shares.ts";

const strength = (members: number, partitions: number): number =>
  partitions / Math.ceil(partitions / members);

describe("as many replicas as are strong enough", () => {
  test("are the fewest of which the busiest has few enough partitions", () => {
    const counts = fc.integer({ min: 1, max: 64 });
    fc.assert(
      fc.property(counts, fc.double({ min: 0.1, max: 64, noNaN: true }), (count, need) => {
        const found = replicasFor(need, count);
        if (need > count) return found === count;
        const strongEnough = strength(found, count) >= need - 1e-9;
        return strongEnough && (found === 1 || strength(found - 1, count) < need + 1e-9);
      }),
    );
  });

  test.each([
    [9, 32, 11],
    [8, 32, 8],
    [17, 32, 32],
    [0.5, 32, 1],
    [0, 32, 0],
  ])("for %d of %d partitions are %d", (need, count, replicas) => {
    expect(replicasFor(need, count)).toBe(replicas);
  });

  test("leave the owner of a hot partition few others", () => {
    // 7 members are enough for the load, but then the owner of the hot partition has four others.
    expect(replicasFor(6.4, 32, { busiest: 1.2, hottest: 0.9, slowest: 1 })).toBe(16);
    expect(replicasFor(6.4, 32)).toBe(7);
  });

  test("are never more than twice as many for the sake of one partition or one member", () => {
    const part = fc.double({ min: 0.01, max: 1, noNaN: true });
    fc.assert(
      fc.property(
        fc.integer({ min: 1, max: 256 }),
        part,
        part,
        part,
        (count, hottest, slowest, more) => {
          const need = hottest + more * count;
          const unevenly = replicasFor(need, count, { busiest: 1, hottest, slowest });
          return unevenly <= replicasFor(2 * need, count);
        },
      ),
    );
  });
});

test("of members that are no faster together than fewer would be, only so many are of use", () => {
  expect([1, 7, 8, 9, 10, 11, 15, 16, 20, 32].map((members) => fewestAs(members, 32))).toEqual([
    1, 7, 8, 8, 8, 11, 11, 16, 16, 32,
  ]);
  expect(fewestAs(0, 32)).toBe(0);
});
