/** How many messages are due by when: a steady rate, with bursts if wanted. Pure. */
import { invalidOption } from "../errors.ts";

/** Times of a higher (or lower) rate that come back regularly. */
export interface Burst {
  /** Messages per second during a burst; 0 makes it a pause. */
  rate: number;
  /** How long one round of steady rate and burst takes together. */
  intervalMs: number;
  /** How long the burst at the end of each round takes; at most `intervalMs`. */
  durationMs: number;
}

/** How fast to publish. */
export interface Pace {
  /** Messages per second. Left out: as fast as possible. */
  rate?: number;
  /** Needs a `rate`, which may then be 0. */
  burst?: Burst;
}

/** The schedule of a {@link Pace}, counted from its start. */
export interface Pacer {
  /**
   * How many messages are due in total, `elapsedMs` (whole milliseconds count) after the
   * start; `Infinity` without a rate.
   */
  dueBy(elapsedMs: number): number;
  /**
   * The first whole millisecond after the start at which `count` messages are due: what
   * to wait for after having published `count - 1`.
   */
  dueAt(count: number): number;
}

/**
 * The schedule of a pace. Each round of `burst.intervalMs` begins with the steady rate and
 * ends with the burst, so that the first thing one sees is the steady rate.
 *
 * @throws DocktorError INVALID_OPTION
 */
export function createPacer(pace: Pace): Pacer {
  const { rate, burst } = pace;
  if (rate === undefined) {
    if (burst !== undefined) throw invalidOption("burst needs a rate for the time between bursts");
    return { dueBy: () => Number.POSITIVE_INFINITY, dueAt: () => 0 };
  }
  checkRate("rate", rate);
  if (burst === undefined) {
    if (rate === 0) throw invalidOption("rate 0 would never publish anything");
    return pacerOf((elapsedMs) => rate * elapsedMs, rate, 1_000);
  }
  checkBurst(burst, rate);
  const { intervalMs, durationMs } = burst;
  const steadyMs = intervalMs - durationMs;
  const perRound = rate * steadyMs + burst.rate * durationMs;
  return pacerOf(
    (elapsedMs) => {
      const rounds = Math.floor(elapsedMs / intervalMs);
      const inRound = elapsedMs - rounds * intervalMs;
      const inBurst = Math.max(0, inRound - steadyMs);
      return rounds * perRound + rate * (inRound - inBurst) + burst.rate * inBurst;
    },
    perRound / intervalMs,
    intervalMs,
  );
}

/**
 * `volume` counts thousandths of a message, so that whole rates and whole milliseconds
 * give exact results. `mean` is its slope over any round of `roundMs`.
 */
function pacerOf(volume: (elapsedMs: number) => number, mean: number, roundMs: number): Pacer {
  const dueBy = (elapsedMs: number): number =>
    Math.floor(volume(Math.max(0, Math.floor(elapsedMs))) / 1_000);
  return {
    dueBy,
    dueAt(count) {
      if (count <= 0) return 0;
      // The schedule never strays further than one round from its mean.
      const estimate = Math.ceil((count * 1_000) / mean);
      let early = Math.max(0, Math.floor(estimate - roundMs - 1));
      let late = Math.ceil(estimate + roundMs + 1);
      while (early < late) {
        const middle = Math.floor((early + late) / 2);
        if (dueBy(middle) >= count) late = middle;
        else early = middle + 1;
      }
      return late;
    },
  };
}

function checkBurst(burst: Burst, rate: number): void {
  const { intervalMs, durationMs } = burst;
  checkRate("burst.rate", burst.rate);
  checkDuration("burst.intervalMs", intervalMs);
  checkDuration("burst.durationMs", durationMs);
  if (durationMs > intervalMs) {
    throw invalidOption(
      `burst.durationMs ${durationMs} is longer than burst.intervalMs ${intervalMs}: a burst must end before the next begins`,
    );
  }
  if (burst.rate === 0 && (rate === 0 || durationMs === intervalMs)) {
    throw invalidOption("burst.rate 0 would never publish anything");
  }
}

function checkRate(name: string, rate: number): void {
  if (Number.isFinite(rate) && rate >= 0) return;
  throw invalidOption(`${name} ${rate} is not possible: use messages per second, 0 or more`);
}

function checkDuration(name: string, ms: number): void {
  if (Number.isInteger(ms) && ms > 0) return;
  throw invalidOption(`${name} ${ms} is not possible: use a whole number of milliseconds above 0`);
}
