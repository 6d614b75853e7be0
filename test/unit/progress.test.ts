import fc from "fast-check";
import { describe, expect, test } from "vitest";
import { Progress, type Sequenced } from "../../src/consumer/progress.ts";

const item = (sequence: number): Sequenced => ({ sequence });

describe("progress", () => {
  test("has no floor before the first message is finished", () => {
    const progress = new Progress(true);
    progress.start(item(7));
    expect(progress.floor).toBeUndefined();
    expect(progress.uncommitted).toBe(1);
    expect(progress.committable).toBe(0);
  });

  test("tells of each once there is no gap before it, in order", () => {
    const settled: number[] = [];
    const progress = new Progress<Sequenced>(false, ({ sequence }) => settled.push(sequence));
    for (const sequence of [1, 2, 3, 4]) progress.start(item(sequence));
    progress.finish(2);
    progress.finish(3);
    expect(settled).toEqual([]);
    progress.finish(1);
    expect(settled).toEqual([1, 2, 3]);
    progress.finish(4);
    progress.finish(4);
    expect(settled).toEqual([1, 2, 3, 4]);
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
          const progress = new Progress(true);
          for (let i = 0; i < count; i++) progress.start(item(i));
          const finished = new Set<number>();
          for (const i of order) {
            progress.finish(i);
            finished.add(i);
            let prefix = 0;
            while (finished.has(prefix)) prefix++;
            expect(progress.floor?.sequence).toBe(prefix === 0 ? undefined : prefix - 1);
            expect(progress.committable).toBe(prefix);
          }
        },
      ),
    );
  });

  test("a commit covers what was finished when it began, not what finished meanwhile", () => {
    const progress = new Progress(true);
    for (const sequence of [1, 2]) progress.start(item(sequence));
    progress.finish(1);
    const count = progress.committable;
    progress.finish(2);
    expect(progress.committed(count)).toEqual([item(1)]);
    expect(progress.uncommitted).toBe(1);
    expect(progress.committable).toBe(1);
  });
});
