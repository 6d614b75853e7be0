/** Waiting for a server that is slow to answer, as a busy one is, or one without a leader for now. */
import { type DocktorError, isDocktorError, toDocktorError } from "../errors.ts";

/** For how long an unanswered step is tried again. */
const PATIENCE_MS = 30_000;

/** What repeating needs. */
export interface PatienceOptions {
  /** Ends the patience. */
  signal?: AbortSignal;
  /** Told of every attempt without an answer but the last. */
  onTimeout?: (error: DocktorError) => void;
}

/**
 * Repeats a step until the server has answered. The step may have been carried out although no
 * answer came, so it must be one that may be carried out twice.
 *
 * @throws DocktorError that of the step; TIMEOUT and SESSION_LOST only after 30 s
 */
export async function patiently<T>(
  { signal, onTimeout }: PatienceOptions,
  step: () => Promise<T>,
): Promise<T> {
  const endsAt = performance.now() + PATIENCE_MS;
  for (;;) {
    try {
      return await step();
    } catch (error) {
      const goesOn = signal?.aborted !== true && performance.now() < endsAt;
      // A session that could not be renewed, as on a slow server, got no answer either.
      const silent = isDocktorError(error, "TIMEOUT") || isDocktorError(error, "SESSION_LOST");
      if (!goesOn || !silent) throw error;
      onTimeout?.(toDocktorError(error));
    }
  }
}
