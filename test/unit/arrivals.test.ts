/** Who came to a group and who went, as one member tells it. */
import { beforeEach, expect, test } from "vitest";
import type { RosterMember } from "../../src/lease/records.ts";
import { Arrivals } from "../../src/partition/arrivals.ts";

let told: string[];
let arrivals: Arrivals;

const life = (incarnation: string): RosterMember => ({
  incarnation,
  state: "active",
  startedAt: 0,
});

beforeEach(() => {
  told = [];
  arrivals = new Arrivals({
    joined: (id) => told.push(`${id} joined`),
    left: (id) => told.push(`${id} left`),
  });
});

test("each arrival and each departure is told once", () => {
  arrivals.see({ a: life("1") });
  arrivals.see({ a: life("1"), b: life("2") });
  arrivals.see({ a: life("1") });
  expect(told).toEqual(["a joined", "b joined", "b left"]);
});

test("another life under the same id is another arrival", () => {
  arrivals.see({ a: life("1") });
  arrivals.see({ a: life("2") });
  expect(told).toEqual(["a joined", "a left", "a joined"]);
});

test.each([
  ["a roster has shown it before", true],
  ["no roster has shown it", false],
])("that the member itself has left is told once, when %s", (_, shown) => {
  arrivals.see({ me: life("1"), b: life("2") });
  told.length = 0;
  if (shown) arrivals.see({ b: life("2") });
  arrivals.end("me");
  arrivals.see({ me: life("1"), b: life("2") });
  expect(told).toEqual(["me left"]);
});
