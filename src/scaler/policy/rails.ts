/** What keeps the desired replicas from being aimed at at once, or in full, whichever policy desires them. */
import type { PolicySettings, Rail, Situation } from "./decision.ts";
import { actionsWithinHour, type Memory } from "./memory.ts";
import type { Desired } from "./desired.ts";

/** By the formula, shrinking takes away no more than this share at a time. */
const MOST_DOWN = 0.25;

/** Why it is so, for people. */
const WORDS: Readonly<Record<Rail, string>> = {
  paused: "it is paused",
  unread: "nothing is changed",
  fallback: "fallback.replicas is used",
  max: "max_replicas is the limit",
  min: "min_replicas is the limit",
  partitions: "more have no partitions to work on",
  window: "more were needed within scale_down_window",
  step: "no more than a quarter at a time",
  cooldown: "the cooldown is not over",
  budget: "actions_per_hour is used up",
  draining: "a replica is still leaving",
  rebalancing: "partitions are still moving",
  starting: "a replica is still starting: its member has not joined the group",
  ineffective:
    "the last growth gained nothing: look at what the handlers wait for, at limits of the consumer such as max_ack_pending, and at the partitions",
};

/** What is left of it. */
export interface Railed {
  readonly target: number;
  readonly rails: readonly Rail[];
}

/** The number that may be aimed at now, and what has limited it. */
export function railed(
  settings: PolicySettings,
  memory: Memory,
  situation: Situation,
  desired: Desired,
): Railed {
  const { current, replicas: wanted } = desired;
  if (wanted === current) return { target: current, rails: desired.rails };
  const up = wanted > current;
  const held = up ? againstGrowing : againstShrinking;
  const rail =
    againstActing(settings, memory, situation.now, { current, up }) ??
    held(settings, memory, situation, desired);
  if (rail !== undefined) return { target: current, rails: [...desired.rails, rail] };
  return up ? { target: wanted, rails: desired.rails } : shrunk(settings, memory, desired);
}

/** A reason with what has limited it. */
export function withRails(because: string, rails: readonly Rail[]): string {
  const [first, ...others] = rails;
  const words = others.map((rail) => WORDS[rail]);
  if (first === undefined) return because;
  // The minimum is the cause, and not what the policy would have.
  const both = first === "min" ? [WORDS.min, because] : [because, WORDS[first]];
  return [...both, ...words].join("; ");
}

function againstActing(
  { paused, actionsPerHour, minReplicas }: PolicySettings,
  memory: Memory,
  now: number,
  { current, up }: { current: number; up: boolean },
): Rail | undefined {
  if (paused === "all" || paused === (up ? "out" : "in")) return "paused";
  if (up && current < minReplicas) return undefined;
  return actionsWithinHour(memory, now).length >= actionsPerHour ? "budget" : undefined;
}

function againstGrowing(
  { minReplicas, cooldown }: PolicySettings,
  memory: Memory,
  { now }: Situation,
  { current }: Desired,
): Rail | undefined {
  // The minimum is not the policy's but the user's.
  if (current < minReplicas) return undefined;
  if (memory.growth?.stuckSince !== undefined) return "ineffective";
  return now - memory.lastUpAt < cooldown.upMs ? "cooldown" : undefined;
}

function againstShrinking(
  settings: PolicySettings,
  memory: Memory,
  { now, replicas, rebalancing }: Situation,
  desired: Desired,
): Rail | undefined {
  const { cooldown, windowMs } = settings;
  if (replicas.draining > 0) return "draining";
  if (replicas.starting > 0) return "starting";
  if (rebalancing) return "rebalancing";
  if (!isLast(desired)) {
    // Who has only begun to watch does not know what was desired.
    if (now - (memory.watchedSince ?? now) < windowMs) return "window";
    if (mostDesired(settings, memory, desired) >= desired.current) return "window";
  }
  const lastAt = Math.max(memory.lastUpAt, memory.lastDownAt);
  return now - lastAt < cooldown.downMs ? "cooldown" : undefined;
}

function shrunk(settings: PolicySettings, memory: Memory, desired: Desired): Railed {
  const { current, replicas: wanted, stepped } = desired;
  const most = isLast(desired) ? wanted : mostDesired(settings, memory, desired);
  const step = stepped ? current : Math.max(1, Math.floor(current * MOST_DOWN));
  const target = Math.max(most, current - step);
  const rails = [...desired.rails];
  if (target > most) rails.push("step");
  else if (most > wanted) rails.push("window");
  return { target, rails };
}

/** Whether the last one may go: it has been idle for as long as the user said, which is a window of its own. */
function isLast({ idle, current }: Desired): boolean {
  return idle && current === 1;
}

/** The most that was desired within the window; no more than may be, which can have changed since. */
function mostDesired(
  { maxReplicas }: PolicySettings,
  { desired: before }: Memory,
  desired: Desired,
): number {
  const most = Math.max(desired.replicas, ...before.map(({ replicas }) => replicas));
  return Math.min(most, Math.max(desired.replicas, maxReplicas));
}
