/** What a shared read promises to those who ask for it. */
import { beforeEach, describe, expect, test } from "vitest";
import { freshly } from "../../src/consumer/freshly.ts";

interface Answer {
  readonly give: (value: string) => void;
  readonly fail: (error: Error) => void;
}

/** The reads that have begun, to be answered by the test. */
let begun: Answer[];
let ask: () => Promise<string>;

beforeEach(() => {
  begun = [];
  ask = freshly(() => new Promise<string>((give, fail) => void begun.push({ give, fail })));
});

const settled = (): Promise<void> => new Promise((resolve) => setImmediate(resolve));

describe("a shared read", () => {
  test("is never one that began before the call", async () => {
    const early = ask();
    await settled();
    const late = ask();
    await settled();
    expect(begun).toHaveLength(1);
    begun[0]?.give("as it was");
    await settled();
    begun[1]?.give("as it is");
    expect(await Promise.all([early, late])).toEqual(["as it was", "as it is"]);
  });

  test("is shared by all who ask at the same time", async () => {
    const together = [ask(), ask(), ask()];
    await settled();
    expect(begun).toHaveLength(1);
    begun[0]?.give("x");
    expect(await Promise.all(together)).toEqual(["x", "x", "x"]);
  });

  test("is shared by all who ask while another is under way", async () => {
    void ask();
    await settled();
    const waiting = [ask()];
    await settled();
    waiting.push(ask());
    begun[0]?.give("as it was");
    await settled();
    expect(begun).toHaveLength(2);
    begun[1]?.give("as it is");
    expect(await Promise.all(waiting)).toEqual(["as it is", "as it is"]);
  });

  test("begins anew for whoever asks after it has ended", async () => {
    const first = ask();
    await settled();
    begun[0]?.give("as it was");
    expect(await first).toBe("as it was");
    const second = ask();
    await settled();
    begun[1]?.give("as it is");
    expect(await second).toBe("as it is");
  });

  test("that fails is told to those who asked for it, and harms nobody who asks later", async () => {
    const failing = expect(Promise.all([ask(), ask()])).rejects.toThrow("no answer");
    await settled();
    const waiting = ask();
    begun[0]?.fail(new Error("no answer"));
    await failing;
    await settled();
    begun[1]?.give("as it is");
    expect(await waiting).toBe("as it is");
    const later = ask();
    await settled();
    begun[2]?.give("later");
    expect(await later).toBe("later");
  });
});
