/**
 * Time as a value that can be handed in.
 *
 * Only differences of `now()` mean anything: the clock is monotonic, has no date and
 * is never compared with another machine's.
 */
export interface Clock {
  /** Milliseconds since some fixed moment in the past. */
  now(): number;
  /** Resolves after `ms`, or rejects with the signal's reason when it aborts first. */
  sleep(ms: number, signal?: AbortSignal): Promise<void>;
}

/** Sleeps; returns false when the signal cut the sleep short. */
export async function slept(clock: Clock, ms: number, signal: AbortSignal): Promise<boolean> {
  try {
    await clock.sleep(ms, signal);
    return true;
  } catch {
    return false;
  }
}

/**
 * The machine's own clock. It stands still while the machine sleeps, so after a suspend
 * a member may trust its lease too long; the fenced commit still holds then.
 */
export const systemClock: Clock = {
  now: () => performance.now(),
  sleep: async (ms, signal) => {
    signal?.throwIfAborted();
    await new Promise<void>((resolve, reject) => {
      const timer = setTimeout(() => {
        signal?.removeEventListener("abort", cutShort);
        resolve();
      }, ms);
      const cutShort = (): void => {
        clearTimeout(timer);
        reject(signal?.reason);
      };
      signal?.addEventListener("abort", cutShort, { once: true });
    });
  },
};

/** Resolves once the signal has aborted. */
export async function aborted(signal: AbortSignal): Promise<void> {
  if (signal.aborted) return;
  await new Promise<void>((resolve) => {
    signal.addEventListener("abort", () => resolve(), { once: true });
  });
}

/** A signal that aborts with the first of these that does; `AbortSignal.any` is not in Node 20.0. */
export function anyOf(...signals: readonly AbortSignal[]): AbortSignal {
  const either = new AbortController();
  for (const signal of signals) {
    const follow = (): void => either.abort(signal.reason);
    if (signal.aborted) follow();
    else signal.addEventListener("abort", follow, { once: true, signal: either.signal });
  }
  return either.signal;
}

/** What the step came to, or undefined when that takes longer than `ms`: it goes on, and nobody waits for it. */
export async function inTime<T>(
  clock: Clock,
  ms: number,
  step: Promise<T>,
): Promise<T | undefined> {
  const taken = new AbortController();
  const overdue = slept(clock, ms, taken.signal).then(() => undefined);
  try {
    return await Promise.race([step, overdue]);
  } finally {
    // Without a reason it would build an error with a stack, at each hand-over.
    taken.abort("in time");
    step.catch(() => undefined);
  }
}
