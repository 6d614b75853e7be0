/**
 * What to do about a service, given what is known of it: pure, with time as a value. What it has to remember from one
 * decision to the next is a value, too, that the caller keeps.
 */
import type { Decision, PolicySettings, Situation } from "./decision.ts";
import { growing, judged } from "./growth.ts";
import { acting, type Memory, remembering } from "./memory.ts";
import { checked, type Readings, type Unread } from "./readings.ts";
import { railed, withRails } from "./rails.ts";
import { type Wish, wishOf, wishWithout } from "./wish.ts";

export type { Decision, Fallback, PolicySettings, Rail, Situation } from "./decision.ts";
export { type Memory, NO_MEMORY } from "./memory.ts";

/** Decides, and tells what to remember. */
export function decide(
  settings: PolicySettings,
  memory: Memory,
  situation: Situation,
): { decision: Decision; memory: Memory } {
  const { replicas, now } = situation;
  const current = replicas.ready + replicas.starting + replicas.failing;
  const readings = checked(situation.readings);
  if ("unread" in readings) return unread(settings, memory, situation, current, readings);
  const seen = taught(memory, situation, readings);
  const wish = wishOf(settings, seen, current, readings, now);
  // A metric that a rule needs is missing.
  if ("unread" in wish) return unread(settings, memory, situation, current, wish);
  const remembered = remembering(seen, { at: now, replicas: wish.replicas }, settings.windowMs);
  return concluded(settings, remembered, situation, wish, readings);
}

/** What the readings tell beside what is wanted. */
function taught(memory: Memory, situation: Situation, readings: Readings): Memory {
  const nothingToDo = readings.backlog === 0 && readings.rateIn.short === 0;
  // A rate of 0 is that of replicas that were stuck, or had nothing to do.
  const perReplica = readings.perReplica || memory.perReplica;
  return {
    ...memory,
    perReplica,
    idleSince: nothingToDo ? (memory.idleSince ?? situation.now) : undefined,
    growth: judged(memory.growth, { ...situation, readings }, perReplica),
  };
}

function unread(
  settings: PolicySettings,
  memory: Memory,
  situation: Situation,
  current: number,
  why: Unread,
): { decision: Decision; memory: Memory } {
  // Nobody knows whether there was nothing to do.
  const failed = { ...memory, failures: memory.failures + 1, idleSince: undefined };
  const wish = wishWithout(settings, failed, current, why);
  return concluded(settings, failed, situation, wish, undefined);
}

function concluded(
  settings: PolicySettings,
  memory: Memory,
  situation: Situation,
  wish: Wish,
  readings: Readings | undefined,
): { decision: Decision; memory: Memory } {
  const { current, because, demand } = wish;
  const { target, rails } = railed(settings, memory, situation, wish);
  const action = target > current ? "up" : target < current ? "down" : "hold";
  const reason = withRails(because, rails);
  const decision: Decision = { action, current, target, reason, rails, demand };
  if (action === "hold") return { decision, memory };
  const acted = acting(memory, situation.now, action === "up");
  // What is gained can be told only from readings before and after.
  const growth =
    action === "up" && readings !== undefined
      ? growing(memory.growth, target, current, readings)
      : undefined;
  return { decision, memory: { ...acted, growth } };
}
