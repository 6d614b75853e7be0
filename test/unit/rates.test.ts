import { describe, expect, test } from "vitest";
import { rates } from "../../src/partition/rates.ts";

const at = (delivered: number, lag: number, sealed = 1) => ({ delivered, lag, sealed });

describe("the rates of a group", () => {
  test("are what was handled, and what came, in a second over all partitions", () => {
    const before = [at(10, 100), at(0, 0)];
    const now = [at(30, 95), at(5, 0)];
    expect(rates(before, now, 500)).toEqual({ rateIn: 40, rateOut: 50 });
  });

  test("leave out a partition that changed hands between the looks: another durable counts anew", () => {
    expect(rates([at(1_000, 5), at(1, 0)], [at(3, 5, 2), at(2, 0)], 1_000)).toEqual({
      rateIn: 1,
      rateOut: 1,
    });
  });

  test("tell of nothing that came when messages were purged", () => {
    expect(rates([at(10, 100)], [at(20, 0)], 1_000)).toEqual({ rateIn: 0, rateOut: 10 });
  });

  test("are nothing when no time has passed", () => {
    expect(rates([at(1, 1)], [at(1, 1)], 0)).toEqual({ rateIn: 0, rateOut: 0 });
  });
});
