import fc from "fast-check";
import { describe, expect, test } from "vitest";
import { fnv1a32, partitionOf } from "../../src/partition/partitioner.ts";

describe("the partition hash", () => {
  // From the test vectors that Landon Curt Noll publishes with FNV (test_fnv.c, FNV-1a 32).
  test.each<[string, number]>([
    ["", 0x811c9dc5],
    ["a", 0xe40c292c],
    ["b", 0xe70c2de5],
    ["c", 0xe60c2c52],
    ["d", 0xe10c2473],
    ["e", 0xe00c22e0],
    ["f", 0xe30c2799],
    ["fo", 0x6222e842],
    ["foo", 0xa9f37ed7],
    ["foob", 0x3f5076ef],
    ["fooba", 0x39aaa18a],
    ["foobar", 0xbf9cf968],
  ])("agrees with the published vector of %j", (text, hash) => {
    expect(fnv1a32(text)).toBe(hash);
  });

  test("is that of the UTF-8 bytes, wherever the first non-ASCII character is", () => {
    fc.assert(
      fc.property(fc.string({ unit: "grapheme" }), (text) => {
        let hash = 0x811c9dc5n;
        for (const byte of Buffer.from(text, "utf8")) {
          hash = ((hash ^ BigInt(byte)) * 0x01000193n) & 0xffffffffn;
        }
        expect(fnv1a32(text)).toBe(Number(hash));
      }),
    );
  });

  test("puts every key into an existing partition", () => {
    fc.assert(
      fc.property(fc.string(), fc.integer({ min: 1, max: 65_536 }), (key, partitions) => {
        const partition = partitionOf(key, partitions);
        expect(Number.isInteger(partition)).toBe(true);
        expect(partition).toBeGreaterThanOrEqual(0);
        expect(partition).toBeLessThan(partitions);
      }),
    );
  });
});
