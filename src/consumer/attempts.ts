/** Calling a handler until it succeeds or its partition is given up. */
import { type Clock, slept } from "../clock.ts";
import { DocktorError, messageOf } from "../errors.ts";

const FIRST_PAUSE_MS = 100;
const LONGEST_PAUSE_MS = 10_000;

/** What repeated calls need. */
export interface AttemptOptions {
  clock: Clock;
  /** Whether, at this moment, a call may start. */
  mayStart: () => boolean;
  /** Ends the wait for another attempt: the partition is lost or to be handed over. */
  ended: AbortSignal;
  /** One call of the handler; `attempt` counts from 1. */
  call: (attempt: number) => Promise<void> | void;
  /** What is being handled, for the error's text. */
  subject: string;
  onError: (error: DocktorError) => void;
}

/** Returns whether a call succeeded; false when the attempts ended before one did. */
export async function attemptUntilHandled(options: AttemptOptions): Promise<boolean> {
  const { clock, mayStart, ended, call, subject, onError } = options;
  let pauseMs = FIRST_PAUSE_MS;
  for (let attempt = 1; ; attempt++) {
    if (!mayStart()) return false;
    try {
      await call(attempt);
      return true;
    } catch (error) {
      if (ended.aborted) return false;
      onError(
        new DocktorError(
          "HANDLER_FAILED",
          `the handler failed on ${subject} (attempt ${attempt}): ${messageOf(error)}; it is tried again in ${pauseMs} ms`,
          { cause: error },
        ),
      );
    }
    if (!(await slept(clock, pauseMs, ended))) return false;
    pauseMs = Math.min(pauseMs * 2, LONGEST_PAUSE_MS);
  }
}
