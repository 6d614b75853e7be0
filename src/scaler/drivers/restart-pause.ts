/** How long a replica that has ended by itself rests before it is started again. Pure. */

const FIRST_PAUSE_MS = 1_000;
const LONGEST_PAUSE_MS = 60_000;
/** What has run for so long was well: the next pause is the first one again. */
const WELL_MS = 60_000;

/** How long to wait before the next start, after a life of `livedMs` that came after a pause of `pauseMs`. */
export function nextPause(pauseMs: number | undefined, livedMs: number): number {
  if (pauseMs === undefined || livedMs >= WELL_MS) return FIRST_PAUSE_MS;
  return Math.min(pauseMs * 2, LONGEST_PAUSE_MS);
}
