/** What a service's scaler remembers from one decision to the next: a value, and never more of it than a few entries. */
import type { Growth } from "./growth.ts";

/** What is remembered. */
export interface Memory {
  /** What was desired and when, within the window: only what nothing later has exceeded, so the first is the most. */
  readonly desired: readonly DesiredAt[];
  /** When something was done in the last hour. */
  readonly actions: readonly number[];
  readonly lastUpAt: number;
  readonly lastDownAt: number;
  /** How often in a row there were no readings. */
  readonly failures: number;
  /** Since when there have been readings that tell what is desired. */
  readonly watchedSince: number | undefined;
  /** Since when there has been nothing to do; undefined while there is. */
  readonly idleSince: number | undefined;
  /** What a replica handled in a second when one last told. */
  readonly perReplica: number | undefined;
  /** The last growth, until it is known what came of it. */
  readonly growth: Growth | undefined;
}

/** How many replicas were desired at a moment. */
export interface DesiredAt {
  readonly at: number;
  readonly replicas: number;
}

/** Nothing is remembered yet. */
export const NO_MEMORY: Memory = {
  desired: [],
  actions: [],
  lastUpAt: -Infinity,
  lastDownAt: -Infinity,
  failures: 0,
  watchedSince: undefined,
  idleSince: undefined,
  perReplica: undefined,
  growth: undefined,
};

const HOUR_MS = 3_600_000;

/** Notes what is desired now. */
export function remembering(memory: Memory, desired: DesiredAt, windowMs: number): Memory {
  const { at, replicas } = desired;
  const within = memory.desired.filter((each) => each.at > at - windowMs);
  const larger = within.filter((each) => each.replicas > replicas);
  // Who has not looked for as long as the window is, because there were no readings, begins anew.
  const anew = memory.watchedSince === undefined || (memory.failures > 0 && within.length === 0);
  return {
    ...memory,
    failures: 0,
    desired: [...larger, desired],
    watchedSince: anew ? at : memory.watchedSince,
  };
}

/** Notes that nothing could be read. Nobody knows whether there was nothing to do. */
export function failing(memory: Memory, isEarly = false): Memory {
  return { ...memory, failures: memory.failures + (isEarly ? 0 : 1), idleSince: undefined };
}

/** What is remembered of readings, with what was remembered before of actions: nothing was done. */
export function unacted(memory: Memory, before: Memory): Memory {
  const { actions, lastUpAt, lastDownAt, growth } = before;
  return { ...memory, actions, lastUpAt, lastDownAt, growth };
}

/** When something was done within the last hour. */
export function actionsWithinHour({ actions }: Memory, now: number): readonly number[] {
  return actions.filter((at) => at > now - HOUR_MS);
}

/** Notes that the number of replicas is changed now. */
export function acting(memory: Memory, now: number, up: boolean): Memory {
  const actions = [...actionsWithinHour(memory, now), now];
  return up ? { ...memory, actions, lastUpAt: now } : { ...memory, actions, lastDownAt: now };
}
