/** How something is called until it succeeds, with time in the test's hands. */
import { beforeEach, describe, expect, test } from "vitest";
import { attempt, type Attempted } from "../../src/consumer/handling/attempts.ts";
import { ManualClock } from "../support/clock.ts";

let clock: ManualClock;
/** When each call came, since the first. */
let calls: number[];
/** What was told of each failure: the attempt, and the pause after it. */
let failures: [number: number, pauseMs: number | undefined][];
let end: AbortController;
let allowed: boolean;
let handler: (attempt: number) => Promise<void> | void;

beforeEach(() => {
  clock = new ManualClock();
  [calls, failures, end, allowed] = [[], [], new AbortController(), true];
  handler = () => {
    throw new Error("broken");
  };
});

function attempts(range: { first?: number; last?: number } = {}): Promise<Attempted> {
  const begunAt = clock.now();
  return attempt({
    clock,
    mayStart: () => allowed,
    ended: end.signal,
    ...range,
    call: (number) => {
      calls.push(clock.now() - begunAt);
      return handler(number);
    },
    onFailure: (_error, number, pauseMs) => failures.push([number, pauseMs]),
  });
}

describe("a handler", () => {
  test("that fails is called again after a pause that doubles, and is at most ten seconds", async () => {
    handler = (number) => {
      if (number < 10) throw new Error("broken");
    };
    const handled = attempts();
    await clock.advance(60_000);
    expect(await handled).toBe("succeeded");
    const pauses = calls.slice(1).map((at, i) => at - (calls[i] ?? 0));
    expect(pauses).toEqual([100, 200, 400, 800, 1_600, 3_200, 6_400, 10_000, 10_000]);
    expect(failures.map(([, pauseMs]) => pauseMs)).toEqual(pauses);
  });

  test("has so many attempts, those of the owners before counted", async () => {
    const handled = attempts({ first: 3, last: 4 });
    await clock.advance(100);
    expect(await handled).toBe("exhausted");
    expect(failures).toEqual([
      [3, 100],
      [4, undefined],
    ]);
  });

  test("is not called when its attempts are used up", async () => {
    expect([await attempts({ first: 5, last: 4 }), calls]).toEqual(["exhausted", []]);
  });

  test("is not called at all when it may not start", async () => {
    allowed = false;
    expect([await attempts(), calls]).toEqual(["ended", []]);
  });

  test("is not called again when it may not start any more", async () => {
    const handled = attempts();
    allowed = false;
    await clock.advance(100);
    expect([await handled, calls]).toEqual(["ended", [0]]);
  });

  test("is given up at once when its partition ends during a pause", async () => {
    const handled = attempts();
    await clock.advance(50);
    end.abort();
    expect([await handled, calls, failures.length]).toEqual(["ended", [0], 1]);
  });

  test("that fails after its partition has ended is given up without a word: another calls it", async () => {
    handler = () => {
      end.abort();
      throw new Error("broken");
    };
    expect([await attempts({ last: 1 }), calls, failures]).toEqual(["ended", [0], []]);
  });

  test("that succeeds after its partition has ended has handled it all the same", async () => {
    handler = () => end.abort();
    expect(await attempts()).toBe("succeeded");
  });
});
