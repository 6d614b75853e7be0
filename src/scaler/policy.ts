/**
 * What to do about a service, given what is known of it: pure, with time as a value. What it has to remember from one
 * decision to the next is a value, too, that the caller keeps.
 */
import type { Decision, PolicySettings, Situation } from "./policy/decision.ts";
import { growing, judged } from "./policy/growth.ts";
import { acting, failing, type Memory, remembering } from "./policy/memory.ts";
import { checked, LONG_WINDOWS, type Readings, sizeOf, type Unread } from "./policy/readings.ts";
import { railed, withRails } from "./policy/rails.ts";
import { type Desired, desiredOf, desiredWithoutReadings } from "./policy/desired.ts";

/** Decides, and tells what to remember. */
export function decide(
  settings: PolicySettings,
  memory: Memory,
  situation: Situation,
): { decision: Decision; memory: Memory } {
  const { replicas, now } = situation;
  const current = sizeOf(replicas);
  const readings = checked(situation.readings);
  if ("unread" in readings) return unread(settings, memory, situation, current, readings);
  const seen = taught(settings, memory, situation, readings);
  const desired = desiredOf(settings, seen, current, readings, now);
  // A metric that a rule needs is missing.
  if ("unread" in desired) return unread(settings, memory, situation, current, desired);
  const remembered = remembering(seen, { at: now, replicas: desired.replicas }, settings.windowMs);
  return concluded(settings, remembered, situation, desired, readings);
}

/** What the readings tell beside what is desired. */
function taught(
  { metricsWindowMs }: PolicySettings,
  memory: Memory,
  situation: Situation,
  readings: Readings,
): Memory {
  const longMs = LONG_WINDOWS * metricsWindowMs;
  const nothingToDo = readings.backlog === 0 && readings.rateIn.short === 0;
  // A rate of 0 is that of replicas that were stuck, or had nothing to do.
  const perReplica = readings.perReplica || memory.perReplica;
  return {
    ...memory,
    perReplica,
    idleSince: nothingToDo ? (memory.idleSince ?? situation.now) : undefined,
    growth: judged(memory.growth, { ...situation, readings }, perReplica, longMs),
  };
}

function unread(
  settings: PolicySettings,
  memory: Memory,
  situation: Situation,
  current: number,
  why: Unread,
): { decision: Decision; memory: Memory } {
  const failed = failing(memory, why.isEarly);
  const desired = desiredWithoutReadings(settings, failed, current, why);
  return concluded(settings, failed, situation, desired, undefined);
}

function concluded(
  settings: PolicySettings,
  memory: Memory,
  situation: Situation,
  desired: Desired,
  readings: Readings | undefined,
): { decision: Decision; memory: Memory } {
  const { current, because, demand } = desired;
  const { target, rails } = railed(settings, memory, situation, desired);
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
