/**
 * Whether a growth has gained anything. Where more replicas do not handle more messages, because something behind them
 * or in front of them is the limit, still more of them would only cost, and may make it worse.
 */
import type { Readings, Replicas } from "./readings.ts";

/** A growth of which it is not yet known what it gains, or that has gained next to nothing. */
export interface Growth {
  readonly from: number;
  readonly to: number;
  /** Messages per second that were handled before. */
  readonly rateOut: number;
  /** Messages that waited then, but for those of the partition with the most. */
  readonly waiting: number;
  /** Since when its replicas have all been there, with their partitions. */
  readonly settledAt: number | undefined;
  /** Since when it is known to have gained next to nothing. */
  readonly stuckSince: number | undefined;
}

/** A growth should gain this share of what the new replicas can do. */
const LEAST_GAIN = 0.1;
/** For how long a growth that gained nothing keeps the service from growing further; then it may try again. */
const STUCK_MS = 600_000;
/** A backlog of less than so many seconds is messages on their way, of which no more can be handled than come in. */
const ON_THEIR_WAY_S = 5;

/** The growth that begins now; one that has not been judged yet is part of it. */
export function growing(
  before: Growth | undefined,
  to: number,
  current: number,
  readings: Readings,
): Growth {
  const begun = before?.stuckSince === undefined ? before : undefined;
  const fresh = { from: current, rateOut: readings.rateOut, waiting: waitingIn(readings) };
  return { ...(begun ?? fresh), to, settledAt: undefined, stuckSince: undefined };
}

/**
 * What is to be remembered of the growth, now that there are new readings; undefined once there is nothing.
 *
 * @param longMs the rates' long window: after that they tell of nothing but the time after the growth
 */
export function judged(
  growth: Growth | undefined,
  seen: { now: number; replicas: Replicas; rebalancing: boolean; readings: Readings },
  perReplica: number | undefined,
  longMs: number,
): Growth | undefined {
  if (growth === undefined) return undefined;
  const { now, replicas, rebalancing, readings } = seen;
  // While partitions move they are not worked on, and while replicas start they have none.
  const settled = replicas.ready >= growth.to && replicas.starting === 0 && !rebalancing;
  if (!settled) return { ...growth, settledAt: undefined };
  const { settledAt = now } = growth;
  if (now - settledAt < longMs) return { ...growth, settledAt };
  const { rateOut } = readings;
  const waiting = waitingIn(readings);
  const waits = waiting > ON_THEIR_WAY_S * rateOut && waiting >= growth.waiting;
  const expected = (growth.to - growth.from) * (perReplica ?? 0);
  const gained = rateOut - growth.rateOut;
  if (!waits || gained >= LEAST_GAIN * expected) return undefined;
  const { stuckSince = now } = growth;
  return now - stuckSince > STUCK_MS ? undefined : { ...growth, settledAt, stuckSince };
}

/** What waits in a single partition is no word on growing: one replica works on it, however many there are. */
function waitingIn({ backlog, partitions = [] }: Readings): number {
  return backlog - Math.max(0, ...partitions.map((each) => each.backlog));
}
