/** How fast a group is, from two looks at it. Pure: no clock, no I/O. */

/** A partition at one moment. */
export interface Progressed {
  /** The epoch that the checkpoint is of. */
  readonly sealed: number;
  /** How many deliveries of that epoch's durable it covers. */
  readonly delivered: number;
  readonly lag: number;
}

/** Messages per second in and out; a partition that changed hands meanwhile is left out. */
export function rates(
  before: readonly Progressed[],
  now: readonly Progressed[],
  elapsedMs: number,
): { rateIn: number; rateOut: number } {
  let [arrived, handled] = [0, 0];
  for (const [i, current] of now.entries()) {
    const earlier = before[i];
    if (earlier?.sealed !== current.sealed) continue;
    const done = current.delivered - earlier.delivered;
    handled += done;
    // Less when messages were purged.
    arrived += Math.max(0, done + current.lag - earlier.lag);
  }
  const perSecond = (count: number): number =>
    elapsedMs === 0 ? 0 : Math.round((count / elapsedMs) * 10_000) / 10;
  return { rateIn: perSecond(arrived), rateOut: perSecond(handled) };
}
