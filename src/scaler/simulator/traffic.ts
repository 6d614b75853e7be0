/** What happens to a simulated service from outside, as functions of time. */

/** A stretch of time, in milliseconds. */
export interface Span {
  readonly from: number;
  readonly to: number;
}

/** One day of a service, so to say. Times are milliseconds from its start; before it, all is as in its first moment. */
export interface Traffic {
  readonly durationMs: number;
  /** Messages per second that are to be expected at that time, over all keys. */
  readonly rate: (now: number) => number;
  /** Messages per second of one more key, which has them all to itself. */
  readonly hotKey?: (now: number) => number;
  /** Messages that come in all at once. */
  readonly dumps?: readonly { readonly at: number; readonly count: number }[];
  /** When nothing can be read. */
  readonly outages?: readonly Span[];
  /** When a replica crashes. */
  readonly crashes?: readonly number[];
  /** How fast replicas are at that time, as a part of how fast they are by themselves. */
  readonly speed?: (now: number) => number;
  /** Which part of the replicas is half as fast as the others. */
  readonly slow?: number;
}

/** Whether it is within one of them. */
export function within(spans: readonly Span[], now: number): boolean {
  return spans.some(({ from, to }) => now >= from && now < to);
}
