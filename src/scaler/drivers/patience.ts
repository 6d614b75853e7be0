/** Requests that end: when they are answered, when the caller gives up, or when they have taken too long. */
import { DocktorError } from "../../errors.ts";

/**
 * Runs a request with a signal that aborts with the caller's, or after `ms`.
 *
 * @param who in the error: `the Docker engine at /var/run/docker.sock`
 * @throws DocktorError TARGET_UNAVAILABLE after `ms`; the signal's reason when it aborts first
 */
export async function withDeadline<T>(
  { who, ms, signal }: { who: string; ms: number; signal: AbortSignal },
  request: (signal: AbortSignal) => Promise<T>,
): Promise<T> {
  signal.throwIfAborted();
  // AbortSignal.any would do, but Node 20.0 has none.
  const either = new AbortController();
  const giveUp = (): void => either.abort(signal.reason);
  signal.addEventListener("abort", giveUp, { once: true });
  const overdue = new DocktorError(
    "TARGET_UNAVAILABLE",
    `${who} did not answer within ${Math.round(ms / 1_000)} s: see whether it is overloaded or stuck`,
  );
  const timer = setTimeout(() => either.abort(overdue), ms);
  try {
    // Not every client minds the signal.
    return await unlessAborted(either.signal, request(either.signal));
  } catch (error) {
    // Clients wrap, or replace, the reason.
    if (either.signal.aborted) throw either.signal.reason;
    throw error;
  } finally {
    clearTimeout(timer);
    signal.removeEventListener("abort", giveUp);
  }
}

/** What the step comes to, unless the signal aborts first: then nobody waits for it, but it goes on. */
export async function unlessAborted<T>(signal: AbortSignal, step: Promise<T>): Promise<T> {
  step.catch(() => undefined);
  signal.throwIfAborted();
  let giveUp = (): void => {};
  const aborted = new Promise<never>((_, reject) => {
    giveUp = () => reject(signal.reason);
    signal.addEventListener("abort", giveUp, { once: true });
  });
  try {
    return await Promise.race([step, aborted]);
  } finally {
    signal.removeEventListener("abort", giveUp);
  }
}

/** Starts as many as it can, and then throws what the first that failed threw. */
export async function allOrFirstError(steps: readonly Promise<unknown>[]): Promise<void> {
  const outcomes = await Promise.allSettled(steps);
  for (const outcome of outcomes) if (outcome.status === "rejected") throw outcome.reason;
}
