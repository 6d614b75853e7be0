/**
 * What to do about a service, given what is known of it: pure, with time as a value. What it has to remember from one
 * decision to the next is a value, too, that the caller keeps.
 */
import { type Demand, demandOf, type DemandSettings } from "./demand.ts";
import type { Readings, Replicas, Unread } from "./readings.ts";
import { applyRules, inWords, type Rules } from "./rules.ts";

/** How a service is scaled. */
export interface PolicySettings {
  readonly minReplicas: number;
  readonly maxReplicas: number;
  /** By rates and backlog, or by the user's thresholds. */
  readonly policy:
    | ({ readonly kind: "rate" } & DemandSettings)
    | { readonly kind: "rules"; readonly rules: Rules };
  /** No shrinking below what was wanted at any time in the last so many milliseconds. */
  readonly windowMs: number;
  /** How long after an action the service is left alone, in milliseconds. */
  readonly cooldown: { readonly upMs: number; readonly downMs: number };
  /** The most actions in an hour. */
  readonly actionsPerHour: number;
  /** With how many replicas a service goes on whose readings have failed so often in a row. */
  readonly fallback: { readonly failureThreshold: number; readonly replicas: number } | undefined;
  /** What is not done: anything, growing (`out`) or shrinking (`in`). */
  readonly paused: "all" | "in" | "out" | undefined;
  /** After how long without backlog and messages a service whose minimum is 0 is stopped, in milliseconds. */
  readonly idleMs: number;
}

/** What is known at the moment of a decision. */
export interface Situation {
  /** In milliseconds, on a clock that never goes back. */
  readonly now: number;
  readonly replicas: Replicas;
  /** Whether partitions are on their way between members. */
  readonly rebalancing: boolean;
  readonly readings: Readings | Unread;
}

/** What limited a decision, or kept it from being another. */
export type Rail =
  | "paused"
  | "unread"
  | "fallback"
  | "max"
  | "min"
  | "partitions"
  | "window"
  | "step"
  | "cooldown"
  | "budget"
  | "draining"
  | "rebalancing"
  | "starting"
  | "ineffective";

/** A decision, with all that it was made from. */
export interface Decision {
  readonly action: "up" | "down" | "hold";
  readonly current: number;
  readonly target: number;
  /** In one sentence, for people. */
  readonly reason: string;
  readonly rails: readonly Rail[];
  /** The terms of the formula; undefined where it was not used. */
  readonly demand: Demand | undefined;
}

/** What is remembered from one decision to the next. */
export interface Memory {
  /** What was wanted, and when, within the window. */
  readonly wanted: readonly { readonly at: number; readonly replicas: number }[];
  /** When something was done in the last hour. */
  readonly actions: readonly number[];
  readonly lastUpAt: number;
  readonly lastDownAt: number;
  /** How often in a row there were no readings. */
  readonly failures: number;
  /** Since when there has been nothing to do; undefined while there is. */
  readonly idleSince: number | undefined;
  /** The last growth, until it is known what came of it. */
  readonly growth: Growth | undefined;
}

interface Growth {
  readonly at: number;
  readonly from: number;
  readonly to: number;
  readonly rateOut: number;
  /** Whether it was found to have gained next to nothing. */
  readonly ineffective: boolean;
}

/** Nothing is remembered yet. */
export const NO_MEMORY: Memory = {
  wanted: [],
  actions: [],
  lastUpAt: -Infinity,
  lastDownAt: -Infinity,
  failures: 0,
  idleSince: undefined,
  growth: undefined,
};

const HOUR_MS = 3_600_000;

/** Shrinking takes away no more than this share at a time. */
const MOST_DOWN = 0.25;
/** And no more often than this. */
const DOWN_EVERY_MS = 30_000;

/** A growth should gain this share of what the new replicas can do. */
const LEAST_GAIN = 0.1;
/** How long after a growth it shows what it has gained. */
const GAIN_AFTER_MS = 60_000;
/** For how long a growth that gained nothing keeps the service from growing further. */
const INEFFECTIVE_MS = 600_000;

/** Decides, and tells what to remember. */
export function decide(
  settings: PolicySettings,
  memory: Memory,
  situation: Situation,
): { decision: Decision; memory: Memory } {
  const { replicas, readings, now } = situation;
  const current = replicas.ready + replicas.starting;
  if ("unread" in readings) return withoutReadings(settings, memory, current, readings.unread, now);
  const idleSince = isIdle(readings) ? (memory.idleSince ?? now) : undefined;
  const seen = { ...memory, failures: 0, idleSince, growth: gainOf(memory.growth, readings, now) };
  const wish = wishOf(settings, seen, current, readings, now);
  if ("missing" in wish) return withoutReadings(settings, memory, current, wish.missing, now);
  const wanted = [
    ...seen.wanted.filter(({ at }) => at > now - settings.windowMs),
    { at: now, replicas: wish.replicas },
  ];
  const railed = rail(settings, { ...seen, wanted }, situation, current, wish);
  return conclude({ ...seen, wanted }, current, railed, readings.rateOut, now);
}

/** What is wanted before any rail but the bounds. */
interface Wish {
  readonly replicas: number;
  readonly because: string;
  readonly rails: readonly Rail[];
  readonly demand: Demand | undefined;
}

function wishOf(
  settings: PolicySettings,
  memory: Memory,
  current: number,
  readings: Readings,
  now: number,
): Wish | { missing: string } {
  const { policy, idleMs } = settings;
  const { idleSince } = memory;
  if (policy.kind === "rules") {
    const verdict = applyRules(policy.rules, readings);
    if ("missing" in verdict) return { missing: `${verdict.missing} has no reading` };
    const because =
      verdict.by === 0 ? "no rule applies" : verdict.matched.map(inWords).join(" and ");
    return bounded(settings, current + verdict.by, because, readings, undefined);
  }
  const demand = demandOf(readings, policy);
  if (demand === undefined) {
    // Somebody has to start before anybody can tell.
    const least = isIdle(readings) ? 0 : 1;
    return bounded(
      settings,
      Math.max(current, least),
      "no replica has told its rate yet",
      readings,
      undefined,
    );
  }
  const idle = idleSince !== undefined && now - idleSince >= idleMs;
  // The last one goes only when there has been nothing to do for a while.
  const wanted = Math.max(demand.replicas, idle ? 0 : Math.min(1, current));
  return bounded(settings, wanted, inTerms(demand, readings), readings, demand);
}

function bounded(
  settings: PolicySettings,
  wanted: number,
  because: string,
  { partitions }: Readings,
  demand: Demand | undefined,
): Wish {
  const { minReplicas, maxReplicas } = settings;
  const useful = partitions === undefined ? Infinity : Math.max(1, partitions.withWork);
  const most = Math.min(maxReplicas, Math.max(useful, minReplicas));
  const replicas = Math.max(minReplicas, Math.min(wanted, most));
  const rails: Rail[] = [];
  if (wanted > useful && useful < maxReplicas) rails.push("partitions");
  else if (wanted > maxReplicas) rails.push("max");
  else if (wanted < minReplicas) rails.push("min");
  return { replicas, because, rails, demand };
}

/** The target, and what has limited it on the way. */
interface Railed {
  readonly target: number;
  readonly reason: string;
  readonly rails: readonly Rail[];
  readonly demand: Demand | undefined;
}

function rail(
  settings: PolicySettings,
  memory: Memory,
  situation: Situation,
  current: number,
  wish: Wish,
): Railed {
  const { replicas: wanted, because, demand } = wish;
  const hold = (...rails: Rail[]): Railed => ({
    target: current,
    reason: because,
    rails: [...wish.rails, ...rails],
    demand,
  });
  if (wanted === current) return hold();
  const { now, replicas, rebalancing } = situation;
  const { paused, cooldown, actionsPerHour } = settings;
  const up = wanted > current;
  if (paused === "all" || paused === (up ? "out" : "in")) return hold("paused");
  const hourly = memory.actions.filter((at) => at > now - HOUR_MS).length;
  if (hourly >= actionsPerHour) return hold("budget");
  if (up) {
    if (memory.growth?.ineffective === true) return hold("ineffective");
    if (now - memory.lastUpAt < cooldown.upMs) return hold("cooldown");
    return { target: wanted, reason: because, rails: wish.rails, demand };
  }
  if (replicas.draining > 0) return hold("draining");
  if (replicas.starting > 0) return hold("starting");
  if (rebalancing) return hold("rebalancing");
  const most = Math.max(...memory.wanted.map(({ replicas: each }) => each));
  if (most >= current) return hold("window");
  const sinceMs = now - Math.max(memory.lastUpAt, memory.lastDownAt);
  if (sinceMs < Math.max(cooldown.downMs, DOWN_EVERY_MS)) return hold("cooldown");
  const step = Math.max(1, Math.floor(current * MOST_DOWN));
  const target = Math.max(most, current - step);
  const limits: Rail[] = [];
  if (most > wanted && target === most) limits.push("window");
  if (target > most) limits.push("step");
  return { target, reason: because, rails: [...wish.rails, ...limits], demand };
}

function conclude(
  memory: Memory,
  current: number,
  { target, reason, rails, demand }: Railed,
  rateOut: number,
  now: number,
): { decision: Decision; memory: Memory } {
  const action = target > current ? "up" : target < current ? "down" : "hold";
  const decision: Decision = { action, current, target, reason, rails, demand };
  if (action === "hold") return { decision, memory };
  const actions = [...memory.actions.filter((at) => at > now - HOUR_MS), now];
  const next =
    action === "down"
      ? { ...memory, actions, lastDownAt: now, growth: undefined }
      : {
          ...memory,
          actions,
          lastUpAt: now,
          growth: { at: now, from: current, to: target, rateOut, ineffective: false },
        };
  return { decision, memory: next };
}

/** Bad readings are no reason to do anything but, after enough of them, to fall back to a number that is safe. */
function withoutReadings(
  settings: PolicySettings,
  memory: Memory,
  current: number,
  why: string,
  now: number,
): { decision: Decision; memory: Memory } {
  const failures = memory.failures + 1;
  const { fallback, paused } = settings;
  const due = fallback !== undefined && failures >= fallback.failureThreshold;
  // Never fewer: what cannot be read may be work.
  const safe = due && paused !== "all" && paused !== "out" ? fallback.replicas : current;
  const target = Math.max(current, Math.min(safe, settings.maxReplicas));
  const railed: Railed = {
    target,
    reason: why,
    rails: target > current ? ["unread", "fallback"] : ["unread"],
    demand: undefined,
  };
  return conclude({ ...memory, failures, idleSince: undefined }, current, railed, 0, now);
}

function isIdle({ backlog, rateIn }: Readings): boolean {
  return backlog === 0 && rateIn.short === 0;
}

/** Whether the last growth has gained something, once that can be known. */
function gainOf(growth: Growth | undefined, readings: Readings, now: number): Growth | undefined {
  if (growth === undefined) return undefined;
  if (growth.ineffective) return now - growth.at > INEFFECTIVE_MS ? undefined : growth;
  if (now - growth.at < GAIN_AFTER_MS) return growth;
  const { rateOut, perReplica, backlog } = readings;
  // Without a backlog there was nothing to gain.
  if (backlog === 0 || perReplica === undefined || growth.rateOut === 0) return undefined;
  const expected = (growth.to - growth.from) * perReplica;
  const gained = rateOut - growth.rateOut;
  return gained < LEAST_GAIN * expected ? { ...growth, ineffective: true } : undefined;
}

function inTerms(demand: Demand, { backlog }: Readings): string {
  const { rateIn, perReplica, steady, catchUp, hotPartition } = demand;
  const terms = `${round(rateIn)} msg/s in and a backlog of ${round(backlog)} need ${round(steady)} + ${round(catchUp)} replicas of ${round(perReplica)} msg/s`;
  if (hotPartition === undefined) return terms;
  return `${terms}; partition ${hotPartition} alone gets more than one replica can handle, and more replicas do not help it: choose keys that spread`;
}

function round(value: number): number {
  return Math.round(value * 10) / 10;
}
