/** How durables are made ahead of hand-overs. */
import { expect, test } from "vitest";
import { restAfter } from "../../src/consumer/delivery/durable.ts";

test.each([
  ["eight times as long as one took", { tookMs: 5, waiting: 0, restMs: 40 }],
  [
    "as long while as many wait as a member has of a usual group",
    { tookMs: 5, waiting: 16, restMs: 40 },
  ],
  ["half as long when twice as many wait", { tookMs: 5, waiting: 32, restMs: 20 }],
  ["as long as one took when hundreds wait", { tookMs: 5, waiting: 500, restMs: 5 }],
  [
    "a quarter of a second at most, as on a cluster without a leader",
    { tookMs: 3_000, waiting: 0, restMs: 250 },
  ],
])("between two preparations a member rests %s", (_, { tookMs, waiting, restMs }) => {
  expect(restAfter(tookMs, waiting)).toBe(restMs);
});
