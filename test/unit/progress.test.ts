import fc from "fast-check";
import { describe, expect, test } from "vitest";
import { Progress } from "../../src/consumer/progress.ts";

describe("progress", () => {
  test("has no floor before the first message is finished", () => {
    const progress = new Progress<number>();
    progress.start(7);
    expect(progress.floor).toBeUndefined();
    expect(progress.uncommitted).toBe(1);
    expect(progress.committable).toBe(0);
  });

  test("the floor never passes a message that is not finished", () => {
    fc.assert(
      fc.property(
        fc.integer({ min: 1, max: 60 }).chain((count) =>
          fc.record({
            count: fc.constant(count),
            order: fc.shuffledSubarray(
              Array.from({ length: count }, (_, i) => i),
              { minLength: count },
            ),
          }),
        ),
        ({ count, order }) => {
          const progress = new Progress<number>();
          const tracked = Array.from({ length: count }, (_, i) => progress.start(i));
          const finished = new Set<number>();
          for (const i of order) {
            const item = tracked[i];
            if (item !== undefined) progress.finish(item);
            finished.add(i);
            let prefix = 0;
            while (finished.has(prefix)) prefix++;
            expect(progress.floor).toBe(prefix === 0 ? undefined : prefix - 1);
            expect(progress.committable).toBe(prefix);
          }
        },
      ),
    );
  });

  test("a commit covers what was finished when it began, not what finished meanwhile", () => {
    const progress = new Progress<number>();
    const [first, second] = [progress.start(1), progress.start(2)];
    progress.finish(first);
    const count = progress.committable;
    progress.finish(second);
    expect(progress.committed(count)).toEqual([1]);
    expect(progress.uncommitted).toBe(1);
    expect(progress.committable).toBe(1);
  });
});
