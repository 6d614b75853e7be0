/** What is noticed of messages that were removed; the looks at the stream are answered by the test. */
import type { StreamInfo } from "@nats-io/jetstream";
import { afterEach, beforeEach, describe, expect, test, vi } from "vitest";
import type { Gap } from "../../src/consumer/delivery/delivery.ts";
import { GapWatch, type Watched } from "../../src/consumer/gap-watch.ts";
import { DocktorError } from "../../src/errors.ts";

/** How often it looks. */
const LOOK_MS = 5_000;

/** A partition's flow that has come so far, and has missed what the test says. */
class Flow implements Watched {
  position = 10;
  misses: Gap[] = [];
  readonly goneUpTo: number[] = [];
  interruptions = 0;

  gapsUpTo(last: number): Gap[] {
    this.goneUpTo.push(last);
    return this.misses;
  }

  interrupt(): void {
    this.interruptions++;
  }
}

let flows: Flow[];
let looks: number;
let look: () => Promise<{ first_seq: number; last_seq: number }>;
let gaps: [Flow, Gap][];
let errors: DocktorError[];
let watch: GapWatch<Flow>;

beforeEach(() => {
  vi.useFakeTimers({ toFake: ["setTimeout", "clearTimeout"] });
  [flows, looks, gaps, errors] = [[new Flow()], 0, [], []];
  look = () => Promise.resolve({ first_seq: 1, last_seq: 100 });
  watch = new GapWatch({
    look: async () => {
      looks++;
      return { state: await look() } as StreamInfo;
    },
    pumps: () => flows,
    onGap: (flow, gap) => gaps.push([flow, gap]),
    onError: (error) => errors.push(error),
  });
});

afterEach(() => void vi.useRealTimers());

describe("a look at the stream", () => {
  test("tells each flow up to where the stream is gone, and what that one has missed of it", async () => {
    const [first, second] = [new Flow(), new Flow()];
    flows = [first, second];
    second.misses = [{ first: 11, last: 41 }];
    look = () => Promise.resolve({ first_seq: 42, last_seq: 100 });
    await watch.check();
    expect([first.goneUpTo, second.goneUpTo]).toEqual([[41], [41]]);
    expect(gaps).toEqual([[second, { first: 11, last: 41 }]]);
    expect([first.interruptions, second.interruptions]).toEqual([0, 0]);
  });

  test("interrupts a flow that was further than the stream now reaches: it was set back", async () => {
    const [behind, beyond] = [new Flow(), new Flow()];
    flows = [behind, beyond];
    beyond.position = 101;
    behind.position = 100;
    await watch.check();
    expect([behind.interruptions, beyond.interruptions]).toEqual([0, 1]);
    expect([behind.goneUpTo, beyond.goneUpTo]).toEqual([[0], []]);
  });

  test("is not held against what came while it was under way", async () => {
    const [flow = new Flow()] = flows;
    look = () => {
      flow.position = 101;
      return Promise.resolve({ first_seq: 1, last_seq: 100 });
    };
    await watch.check();
    expect(flow.interruptions).toBe(0);
  });

  test("that fails is told, and is made again", async () => {
    look = () => Promise.reject(new DocktorError("TIMEOUT", "no answer"));
    await watch.check();
    expect(errors).toEqual([expect.objectContaining({ code: "TIMEOUT" })]);
    await vi.advanceTimersByTimeAsync(LOOK_MS);
    expect(looks).toBe(2);
  });
});

describe("looks", () => {
  test("come every five seconds while there are flows, and no more after that", async () => {
    await watch.check();
    await vi.advanceTimersByTimeAsync(2 * LOOK_MS);
    expect(looks).toBe(3);
    flows = [];
    await vi.advanceTimersByTimeAsync(3 * LOOK_MS);
    expect(looks).toBe(3);
  });

  test("come no more often because one was asked for in between", async () => {
    await watch.check();
    await vi.advanceTimersByTimeAsync(LOOK_MS / 2);
    await watch.check();
    await vi.advanceTimersByTimeAsync(LOOK_MS - 1);
    expect(looks).toBe(2);
    await vi.advanceTimersByTimeAsync(1);
    expect(looks).toBe(3);
  });
});
