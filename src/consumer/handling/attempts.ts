/** Calling something until it succeeds, its attempts are used up, or its partition is given up. */
import { type Clock, slept } from "../../clock.ts";

const FIRST_PAUSE_MS = 100;
const LONGEST_PAUSE_MS = 10_000;

/** What became of it. `ended`: it did not succeed before the attempts were ended from outside. */
export type Attempted = "succeeded" | "exhausted" | "ended";

/** What repeated calls need. */
export interface AttemptOptions {
  clock: Clock;
  /** Whether, at this moment, a call may start. */
  mayStart: () => boolean;
  /** Ends the wait for another attempt: the partition is lost or to be handed over. */
  ended: AbortSignal;
  /** Whether there is to be another attempt all the same, until `lost` aborts. Default: there is none. */
  owed?: () => boolean;
  lost?: AbortSignal;
  /** The number of the first attempt. Default 1. */
  first?: number;
  /** The number of the last attempt. Default: there is no last one. */
  last?: number;
  call: (attempt: number) => Promise<void> | void;
  /** What the first call came to, which is made already. */
  begun?: Promise<void>;
  /** Told of each failure, and of the pause after it; undefined after the last attempt. */
  onFailure: (error: unknown, attempt: number, pauseMs: number | undefined) => void;
}

/** Calls it until it succeeds, or is given up, with pauses that double from 100 ms to 10 s. */
export async function attempt(options: AttemptOptions): Promise<Attempted> {
  const { clock, mayStart, ended, owed = () => false, lost = ended } = options;
  const { first = 1, last = Infinity, call, begun, onFailure } = options;
  let pauseMs = FIRST_PAUSE_MS;
  for (let number = first; number <= last; number++) {
    const made = number === first ? begun : undefined;
    if (made === undefined && !mayStart()) return "ended";
    try {
      await (made ?? call(number));
      return "succeeded";
    } catch (error) {
      // A handler fails as it is aborted: that says nothing about the message.
      if (ended.aborted && !owed()) return "ended";
      const final = number === last;
      onFailure(error, number, final ? undefined : pauseMs);
      if (final) return "exhausted";
    }
    await slept(clock, pauseMs, ended.aborted ? lost : ended);
    if (ended.aborted && !owed()) return "ended";
    pauseMs = Math.min(pauseMs * 2, LONGEST_PAUSE_MS);
  }
  return "exhausted";
}
