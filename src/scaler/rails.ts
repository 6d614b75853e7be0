/** What keeps a wish from being carried out at once, or in full, whichever policy has made it. */
import type { PolicySettings, Rail, Situation } from "./decision.ts";
import { actionsWithinHour, type Memory } from "./memory.ts";
import type { Wish } from "./wish.ts";

/** By the formula, shrinking takes away no more than this share at a time. */
const MOST_DOWN = 0.25;

/** Why it is so, for people. */
const WORDS: Readonly<Record<Rail, string>> = {
  paused: "it is paused",
  unread: "so it stays as it is",
  fallback: "so it falls back to a safe number",
  max: "max_replicas is the limit",
  min: "min_replicas is the limit",
  partitions: "more have no partitions to work on",
  window: "more were wanted a moment ago",
  step: "a quarter at a time",
  cooldown: "the last action was a moment ago",
  budget: "the actions of this hour are used up",
  draining: "a replica is still leaving",
  rebalancing: "partitions are still moving",
  starting: "a replica is still starting",
  ineffective:
    "the last growth gained nothing: look at what the handlers wait for, at limits of the consumer such as max_ack_pending, and at the partitions",
};

/** What is left of a wish. */
export interface Railed {
  readonly target: number;
  readonly rails: readonly Rail[];
}

/** The number that may be aimed at now, and what has limited it. */
export function railed(
  settings: PolicySettings,
  memory: Memory,
  situation: Situation,
  wish: Wish,
): Railed {
  const { current, replicas: wanted } = wish;
  if (wanted === current) return { target: current, rails: wish.rails };
  const up = wanted > current;
  const held = up ? againstGrowing : againstShrinking;
  const rail =
    againstActing(settings, memory, situation.now, up) ?? held(settings, memory, situation, wish);
  if (rail !== undefined) return { target: current, rails: [...wish.rails, rail] };
  return up ? { target: wanted, rails: wish.rails } : shrunk(settings, memory, wish);
}

/** A reason with what has limited it. */
export function withRails(because: string, rails: readonly Rail[]): string {
  return [because, ...rails.map((rail) => WORDS[rail])].join("; ");
}

function againstActing(
  { paused, actionsPerHour }: PolicySettings,
  memory: Memory,
  now: number,
  up: boolean,
): Rail | undefined {
  if (paused === "all" || paused === (up ? "out" : "in")) return "paused";
  return actionsWithinHour(memory, now).length >= actionsPerHour ? "budget" : undefined;
}

function againstGrowing(
  { minReplicas, cooldown }: PolicySettings,
  memory: Memory,
  { now }: Situation,
  { current }: Wish,
): Rail | undefined {
  // The minimum is nobody's wish but the user's word.
  if (current < minReplicas) return undefined;
  if (memory.growth?.stuckSince !== undefined) return "ineffective";
  return now - memory.lastUpAt < cooldown.upMs ? "cooldown" : undefined;
}

function againstShrinking(
  settings: PolicySettings,
  memory: Memory,
  { now, replicas, rebalancing }: Situation,
  wish: Wish,
): Rail | undefined {
  const { cooldown, windowMs } = settings;
  if (replicas.draining > 0) return "draining";
  if (replicas.starting > 0) return "starting";
  if (rebalancing) return "rebalancing";
  if (!isLast(wish)) {
    // Who has only begun to watch does not know what was wanted.
    if (now - (memory.watchedSince ?? now) < windowMs) return "window";
    if (mostWanted(settings, memory, wish) >= wish.current) return "window";
  }
  const lastAt = Math.max(memory.lastUpAt, memory.lastDownAt);
  return now - lastAt < cooldown.downMs ? "cooldown" : undefined;
}

function shrunk(settings: PolicySettings, memory: Memory, wish: Wish): Railed {
  const { current, replicas: wanted, stepped } = wish;
  const most = isLast(wish) ? wanted : mostWanted(settings, memory, wish);
  const step = stepped ? current : Math.max(1, Math.floor(current * MOST_DOWN));
  const target = Math.max(most, current - step);
  const rails = [...wish.rails];
  if (target > most) rails.push("step");
  else if (most > wanted) rails.push("window");
  return { target, rails };
}

/** Whether the last one may go: it has been idle for as long as the user said, which is a window of its own. */
function isLast({ idle, current }: Wish): boolean {
  return idle && current === 1;
}

/** The most that was wanted within the window; no more than may be, which can have changed since. */
function mostWanted({ maxReplicas }: PolicySettings, { wanted }: Memory, wish: Wish): number {
  const most = Math.max(wish.replicas, ...wanted.map(({ replicas }) => replicas));
  return Math.min(most, Math.max(wish.replicas, maxReplicas));
}
