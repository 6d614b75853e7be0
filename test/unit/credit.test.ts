/** How many messages of a partition are held. */
import { describe, expect, test } from "vitest";
import { Credit, mostHeld } from "../../src/consumer/delivery/credit.ts";

describe("the messages held of a partition", () => {
  test("are at most twice the window, or 1,024", () => {
    expect([1, 100, 512, 2_048].map(mostHeld)).toEqual([2, 200, 1_024, 1_024]);
  });

  test("are few at first, and not more than the window lets", () => {
    expect(new Credit(1_024).limit).toBe(64);
    expect(new Credit(2).limit).toBe(2);
  });

  test("become more while the handler has to wait, up to the most", () => {
    const credit = new Credit(200);
    const limits = [1, 2, 3].map(() => {
      credit.starved();
      return credit.limit;
    });
    expect(limits).toEqual([128, 200, 200]);
  });

  test("become as few again as are handled in two periods", () => {
    const credit = new Credit(1_024);
    for (let i = 0; i < 10; i++) credit.starved();
    credit.handled(300, 100);
    expect(credit.limit).toBe(600);
    credit.handled(100, 200);
    expect(credit.limit).toBe(200);
    credit.handled(1, 300);
    expect(credit.limit).toBe(64);
  });

  test("are counted by the time that was needed, when that was more than a period", () => {
    const credit = new Credit(1_024);
    for (let i = 0; i < 10; i++) credit.starved();
    credit.handled(1_000, 1_000);
    expect(credit.limit).toBe(200);
  });

  test("are as many as before within a period", () => {
    const credit = new Credit(1_024);
    credit.starved();
    credit.handled(1, 99);
    expect(credit.limit).toBe(128);
  });
});
