import { afterEach, describe, expect, test, vi } from "vitest";
import { type Committable, Committer } from "../../src/consumer/committer.ts";
import { Progress } from "../../src/consumer/progress.ts";
import { DocktorError } from "../../src/errors.ts";

/** A partition with a lease whose commits end as the test says. */
function partition(
  commit: (sequence: number) => Promise<void>,
  options: {
    intervalMs?: number;
    trusted?: () => boolean;
    note?: () => Promise<void>;
    acks?: boolean;
  } = {},
) {
  const { acks = true } = options;
  const progress = new Progress<Committable>(acks);
  const seen = { commits: [] as number[], acks: [] as number[], errors: [] as unknown[] };
  const committer = new Committer({
    lease: {
      commit: async (sequence, delivered) => {
        expect(delivered).toBe(sequence + 100);
        // A loop that never ends would take the test with it.
        if (seen.commits.push(sequence) > 50) await new Promise(() => {});
        await commit(sequence);
      },
      note: async () => await options.note?.(),
      trusted: () => options.trusted?.() ?? true,
    },
    progress,
    intervalMs: options.intervalMs ?? 60_000,
    window: 4,
    onCommitted: () => {},
    onError: (error) => seen.errors.push(error),
  });
  const handle = (sequence: number): void => {
    progress.start({
      sequence,
      deliverySequence: sequence + 100,
      ack: () => seen.acks.push(sequence),
    });
    progress.finish(sequence);
    committer.advance();
  };
  return { committer, handle, seen };
}

const settled = (): Promise<void> => new Promise((resolve) => setImmediate(resolve));

/** Time in the test's hands. */
const holdTime = (): void => void vi.useFakeTimers({ toFake: ["setTimeout", "clearTimeout"] });

afterEach(() => void vi.useRealTimers());

describe("a committer", () => {
  test("commits when half the window is handled, and acks only then", async () => {
    const { handle, seen } = partition(() => Promise.resolve());
    handle(1);
    await settled();
    expect(seen).toMatchObject({ commits: [], acks: [] });
    handle(2);
    await settled();
    expect(seen).toMatchObject({ commits: [2], acks: [1, 2] });
  });

  test("acks nothing where the stream keeps what is acked", async () => {
    const { handle, seen } = partition(() => Promise.resolve(), { acks: false });
    for (const sequence of [1, 2]) handle(sequence);
    await settled();
    expect(seen).toMatchObject({ commits: [2], acks: [] });
  });

  test("acks no more of many once another member may own the partition, as after a pause among them", async () => {
    let looks = 0;
    const { handle, seen } = partition(() => Promise.resolve(), {
      // Before the first ack, and before the second.
      trusted: () => ++looks < 2,
    });
    for (const sequence of [1, 2]) handle(sequence);
    await settled();
    expect(seen).toMatchObject({ commits: [2], acks: [1] });
  });

  test("commits what is handled meanwhile with one more commit, not with two at a time", async () => {
    const answers: (() => void)[] = [];
    const { handle, seen } = partition(() => new Promise((resolve) => answers.push(resolve)));
    for (const sequence of [1, 2, 3, 4]) handle(sequence);
    await settled();
    expect(seen.commits).toEqual([2]);
    answers.shift()?.();
    await settled();
    expect(seen.commits).toEqual([2, 4]);
  });

  test("that is flushed twice at a time commits once, and loses count of nothing", async () => {
    const answers: (() => void)[] = [];
    const { committer, handle, seen } = partition(
      () => new Promise((resolve) => answers.push(resolve)),
    );
    handle(1);
    const flushed = Promise.all([committer.flush(), committer.flush()]);
    await settled();
    handle(2);
    answers.shift()?.();
    await settled();
    expect(seen.commits).toEqual([1, 2]);
    answers.shift()?.();
    await flushed;
    expect(seen.acks).toEqual([1, 2]);
  });

  test("acks nothing of a commit whose answer comes when another may own the partition by now", async () => {
    let trusted = true;
    const answered = async (): Promise<void> => void (trusted = false);
    const { handle, seen } = partition(answered, { trusted: () => trusted });
    handle(1);
    handle(2);
    await settled();
    expect(seen).toMatchObject({ commits: [2], acks: [] });
  });

  test("commits the rest after the interval", async () => {
    holdTime();
    const { handle, seen } = partition(() => Promise.resolve(), { intervalMs: 100 });
    handle(1);
    await vi.advanceTimersByTimeAsync(100);
    expect(seen.acks).toEqual([1]);
  });

  test.each(["FENCED", "SESSION_LOST"] as const)(
    "acks nothing and does not try again once the lease is lost (%s)",
    async (code) => {
      const { handle, seen } = partition(() => Promise.reject(new DocktorError(code, "lost")));
      for (const sequence of [1, 2, 3, 4]) handle(sequence);
      await settled();
      expect(seen).toEqual({ commits: [2], acks: [], errors: [] });
    },
  );

  test("tells nothing of a commit that fails because the lease was given up meanwhile", async () => {
    let fail: (error: Error) => void = () => {};
    const { committer, handle, seen } = partition(
      () => new Promise((_, reject) => (fail = reject)),
    );
    for (const sequence of [1, 2]) handle(sequence);
    await settled();
    committer.stop();
    fail(new DocktorError("CLOSED", "the member has left"));
    await settled();
    expect(seen.errors).toEqual([]);
  });

  test("tries again after the interval, and no sooner, when the server did not answer", async () => {
    holdTime();
    let silent = true;
    const { handle, seen } = partition(
      () => (silent ? Promise.reject(new DocktorError("TIMEOUT", "silence")) : Promise.resolve()),
      { intervalMs: 100 },
    );
    for (const sequence of [1, 2, 3, 4]) handle(sequence);
    await settled();
    expect(seen).toMatchObject({ commits: [2], acks: [] });
    expect(seen.errors).toHaveLength(1);
    silent = false;
    await vi.advanceTimersByTimeAsync(99);
    expect(seen).toMatchObject({ commits: [2], acks: [] });
    await vi.advanceTimersByTimeAsync(1);
    expect(seen).toMatchObject({ commits: [2, 4], acks: [1, 2, 3, 4] });
  });

  test("counts the interval from the first message after the last commit", async () => {
    holdTime();
    const { handle, seen } = partition(() => Promise.resolve(), { intervalMs: 100 });
    handle(1);
    await vi.advanceTimersByTimeAsync(60);
    handle(2);
    await settled();
    expect(seen.commits).toEqual([2]);
    handle(3);
    await vi.advanceTimersByTimeAsync(99);
    expect(seen.commits).toEqual([2]);
    await vi.advanceTimersByTimeAsync(1);
    expect(seen.commits).toEqual([2, 3]);
  });

  test("flushes everything that is handled, after the commit under way and not beside it", async () => {
    const answers: (() => void)[] = [];
    const { committer, handle, seen } = partition(() => new Promise((done) => answers.push(done)));
    for (const sequence of [1, 2, 3]) handle(sequence);
    let flushed = false;
    void committer.flush().then(() => (flushed = true));
    await settled();
    expect(seen).toMatchObject({ commits: [2], acks: [] });
    answers.shift()?.();
    await settled();
    expect([seen.commits, seen.acks, flushed]).toEqual([[2, 3], [1, 2], false]);
    answers.shift()?.();
    await settled();
    expect([seen.acks, flushed]).toEqual([[1, 2, 3], true]);
  });

  test("that cannot flush says why", async () => {
    const fenced = new DocktorError("FENCED", "lost");
    const { committer, handle } = partition(() => Promise.reject(fenced));
    handle(1);
    await expect(committer.flush()).rejects.toBe(fenced);
  });

  test("that is stopped commits nothing any more, neither what waits nor what is handled later", async () => {
    holdTime();
    const { committer, handle, seen } = partition(() => Promise.resolve(), { intervalMs: 100 });
    handle(1);
    committer.stop();
    await vi.advanceTimersByTimeAsync(200);
    for (const sequence of [2, 3, 4]) handle(sequence);
    await vi.advanceTimersByTimeAsync(200);
    expect(seen).toEqual({ commits: [], acks: [], errors: [] });
  });

  test("that is stopped during a commit begins no other", async () => {
    holdTime();
    const answers: (() => void)[] = [];
    const { committer, handle, seen } = partition(() => new Promise((done) => answers.push(done)), {
      intervalMs: 100,
    });
    for (const sequence of [1, 2, 3]) handle(sequence);
    committer.stop();
    answers.shift()?.();
    await settled();
    await vi.advanceTimersByTimeAsync(200);
    expect(seen.commits).toEqual([2]);
  });
});

describe("what befell a message that is not handled", () => {
  const silence = new DocktorError("TIMEOUT", "silence");

  /** A partition whose notes end as the test says, one after the other. */
  const noting = (...ends: (() => Promise<void>)[]) => {
    let notes = 0;
    const note = async (): Promise<void> => await ends[notes++]?.();
    const { committer, handle, seen } = partition(() => Promise.resolve(), {
      intervalMs: 100,
      note,
    });
    return { committer, handle, seen, count: () => notes };
  };

  test("is written after the interval, although nothing more is handled, and once", async () => {
    holdTime();
    const { committer, seen, count } = noting();
    committer.note();
    await vi.advanceTimersByTimeAsync(99);
    expect(count()).toBe(0);
    await vi.advanceTimersByTimeAsync(901);
    expect([count(), seen.commits, seen.acks]).toEqual([1, [], []]);
  });

  test("is written again when that was not answered", async () => {
    holdTime();
    const { committer, seen, count } = noting(() => Promise.reject(silence));
    committer.note();
    await vi.advanceTimersByTimeAsync(100);
    expect([count(), seen.errors]).toEqual([1, [silence]]);
    await vi.advanceTimersByTimeAsync(1_000);
    expect(count()).toBe(2);
  });

  test("is written with the last commit before a hand-over, also when nothing was handled", async () => {
    const { committer, count } = noting();
    committer.note();
    await committer.flush();
    await committer.flush();
    committer.stop();
    expect(count()).toBe(1);
  });

  test("goes along with a commit, and needs no write of its own then", async () => {
    holdTime();
    const { committer, handle, seen, count } = noting();
    committer.note();
    handle(1);
    await vi.advanceTimersByTimeAsync(1_000);
    expect([count(), seen.commits]).toEqual([0, [1]]);
  });
});
