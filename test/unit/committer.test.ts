import { describe, expect, test, vi } from "vitest";
import { Committer } from "../../src/consumer/committer.ts";
import { Progress } from "../../src/consumer/progress.ts";
import { DocktorError } from "../../src/errors.ts";

/** A partition with a lease whose commits end as the test says. */
function partition(
  commit: (sequence: number) => Promise<void>,
  options: { intervalMs?: number } = {},
) {
  const progress = new Progress<{ seq: number; ack: () => void }>();
  const seen = { commits: [] as number[], acks: [] as number[], errors: [] as unknown[] };
  const committer = new Committer({
    lease: {
      commit: async (sequence) => {
        // A loop that never ends would take the test with it.
        if (seen.commits.push(sequence) > 50) await new Promise(() => {});
        await commit(sequence);
      },
    },
    progress,
    intervalMs: options.intervalMs ?? 60_000,
    window: 4,
    ackEach: false,
    onCommitted: () => {},
    onError: (error) => seen.errors.push(error),
  });
  const handle = (seq: number): void => {
    progress.finish(progress.start({ seq, ack: () => seen.acks.push(seq) }));
    committer.advance();
  };
  return { committer, handle, seen };
}

const settled = (): Promise<void> => new Promise((resolve) => setImmediate(resolve));

describe("a committer", () => {
  test("commits when half the window is handled, and acks only then", async () => {
    const { handle, seen } = partition(() => Promise.resolve());
    handle(1);
    await settled();
    expect(seen).toMatchObject({ commits: [], acks: [] });
    handle(2);
    await settled();
    expect(seen).toMatchObject({ commits: [2], acks: [2] });
  });

  test("commits what is handled meanwhile with one more commit, not with two at a time", async () => {
    const answers: (() => void)[] = [];
    const { handle, seen } = partition(() => new Promise((resolve) => answers.push(resolve)));
    for (const seq of [1, 2, 3, 4]) handle(seq);
    await settled();
    expect(seen.commits).toEqual([2]);
    answers.shift()?.();
    await settled();
    expect(seen.commits).toEqual([2, 4]);
  });

  test("commits the rest after the interval", async () => {
    const { handle, seen } = partition(() => Promise.resolve(), { intervalMs: 5 });
    handle(1);
    await vi.waitFor(() => expect(seen.acks).toEqual([1]));
  });

  test.each(["FENCED", "SESSION_LOST"] as const)(
    "acks nothing and does not try again once the lease is lost (%s)",
    async (code) => {
      const { handle, seen } = partition(() => Promise.reject(new DocktorError(code, "lost")));
      for (const seq of [1, 2, 3, 4]) handle(seq);
      await settled();
      expect(seen).toEqual({ commits: [2], acks: [], errors: [] });
    },
  );

  test("tries again after the interval, and no sooner, when the server did not answer", async () => {
    let silent = true;
    const { handle, seen } = partition(
      () => (silent ? Promise.reject(new DocktorError("TIMEOUT", "silence")) : Promise.resolve()),
      { intervalMs: 5 },
    );
    for (const seq of [1, 2, 3, 4]) handle(seq);
    await settled();
    expect(seen).toMatchObject({ commits: [2], acks: [] });
    expect(seen.errors).toHaveLength(1);
    silent = false;
    await vi.waitFor(() => expect(seen.acks).toEqual([4]));
  });

  test("flushes everything that is handled, after the commit under way", async () => {
    const { committer, handle, seen } = partition(() => settled());
    for (const seq of [1, 2, 3]) handle(seq);
    await committer.flush();
    expect(seen).toMatchObject({ commits: [2, 3], acks: [2, 3] });
  });
});
