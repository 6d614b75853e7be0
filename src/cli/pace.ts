/** How fast `publish` is asked to publish. Pure. */
import { DocktorError, type Pace } from "../index.ts";

/** The flags that say so. */
export interface PaceFlags {
  readonly rate?: number;
  readonly burstRate?: number;
  /** Seconds, as is the next one. */
  readonly burstInterval: number;
  readonly burstDuration: number;
}

/** The steady rate around bursts when only these are asked for. */
export const RATE_BETWEEN_BURSTS = 100;

/** What shapes the bursts, and so means nothing without them. */
const SHAPE = { burstInterval: "--burst-interval", burstDuration: "--burst-duration" };

/**
 * The pace that is meant. `isTyped` tells which flags stand on the command line: what is there
 * must have a meaning, while an environment may hold settings for later.
 *
 * @throws DocktorError INVALID_OPTION
 */
export function paceOf(flags: PaceFlags, isTyped: (name: string) => boolean): Pace {
  const { rate, burstRate, burstInterval, burstDuration } = flags;
  if (rate === 0 && !burstRate) {
    throw refusal("--rate 0 would never publish anything: use a rate or --burst-rate above 0");
  }
  if (burstRate === undefined) {
    const idle = Object.entries(SHAPE).find(([name]) => isTyped(name))?.[1];
    if (idle !== undefined) {
      throw refusal(`${idle} means nothing without --burst-rate: give both, or neither`);
    }
    return rate === undefined ? {} : { rate };
  }
  if (burstDuration > burstInterval) {
    throw refusal(
      `a burst of --burst-duration ${burstDuration} seconds does not fit into --burst-interval ${burstInterval}`,
    );
  }
  return {
    rate: rate ?? RATE_BETWEEN_BURSTS,
    burst: {
      rate: burstRate,
      intervalMs: Math.round(burstInterval * 1_000),
      durationMs: Math.round(burstDuration * 1_000),
    },
  };
}

function refusal(message: string): DocktorError {
  return new DocktorError("INVALID_OPTION", message);
}
