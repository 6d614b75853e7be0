/** How many replicas a service should have by its policy and its bounds, before any rail holds it. */
import type { Decision, PolicySettings, Rail } from "./decision.ts";
import { type Demand, demandOf, type DemandSettings } from "./demand.ts";
import type { Memory } from "./memory.ts";
import type { PartitionReadings, Readings, Unread } from "./readings.ts";
import { applyRules, inWords, type Rules } from "./rules.ts";
import { fewestAs } from "./shares.ts";

/** How many, and why. */
export interface Desired {
  readonly current: number;
  readonly replicas: number;
  readonly because: string;
  /** The bounds that have limited it. */
  readonly rails: readonly Rail[];
  readonly demand: Decision["demand"];
  /** Whether there has been nothing to do for so long that nothing speaks for keeping any. */
  readonly idle: boolean;
  /** Whether the user has said by how many to go. */
  readonly stepped: boolean;
}

/** What the service's policy desires; unread where it has no figure that it needs. */
export function desiredOf(
  settings: PolicySettings,
  memory: Memory,
  current: number,
  readings: Readings,
  now: number,
): Desired | Unread {
  const { policy, idleMs } = settings;
  const { idleSince } = memory;
  const idle = idleSince !== undefined && now - idleSince >= idleMs;
  // Whatever the policy says: one is there while there is something to do, and the last one stays for a while.
  const least = idleSince === undefined ? 1 : idle ? 0 : Math.min(1, current);
  const asked =
    policy.kind === "rate"
      ? byRate(policy, memory, current, readings)
      : byRules(policy.rules, current, readings);
  // Without a replica some metrics have no reading: that is no reason to have none.
  if ("unread" in asked && current >= least) return asked;
  const answer =
    "unread" in asked ? { replicas: least, because: asked.unread, demand: undefined } : asked;
  const bounded = within(settings, Math.max(answer.replicas, least), readings.partitions);
  return { ...answer, ...bounded, current, idle, stepped: policy.kind === "rules" };
}

/** What to do without readings: nothing but, after enough failures, to go on with a number that is safe. */
export function desiredWithoutReadings(
  { minReplicas, maxReplicas, fallback }: PolicySettings,
  { failures }: Memory,
  current: number,
  { unread }: Unread,
): Desired {
  const due =
    fallback !== undefined &&
    fallback.behavior !== "currentReplicas" &&
    failures >= fallback.failureThreshold;
  const safe = due ? Math.min(fallback.replicas, maxReplicas) : 0;
  // Never fewer: what cannot be read may be work.
  const replicas = Math.max(current, minReplicas, safe);
  const rail = replicas === current ? "unread" : replicas === safe ? "fallback" : "min";
  return {
    current,
    replicas,
    because: unread,
    rails: [rail],
    demand: undefined,
    idle: false,
    stepped: false,
  };
}

/** What a policy wants, and why. */
interface Answer {
  readonly replicas: number;
  readonly because: string;
  readonly demand: Decision["demand"];
}

function byRate(
  settings: DemandSettings,
  memory: Memory,
  current: number,
  readings: Readings,
): Answer {
  const perReplica = memory.perReplica ?? settings.perReplica;
  if (perReplica === undefined) {
    if (memory.idleSince !== undefined) {
      return { replicas: 0, because: "there is nothing to do", demand: undefined };
    }
    // Somebody has to start before anybody can tell.
    const because = "no replica has reported its rate yet: set replica_rate to start from";
    return { replicas: current, because, demand: undefined };
  }
  const demand = demandOf(readings, perReplica, settings);
  const { enough, plenty } = demand;
  const replicas = current < enough ? demand.replicas : Math.min(current, plenty);
  return { replicas, because: inTerms(demand, readings), demand };
}

function byRules(rules: Rules, current: number, readings: Readings): Answer | Unread {
  const verdict = applyRules(rules, readings);
  if ("missing" in verdict) return { unread: `${verdict.missing} has no reading` };
  const { by, matched } = verdict;
  const because = by === 0 ? "no rule applies" : matched.map(inWords).join(" and ");
  return { replicas: current + by, because, demand: undefined };
}

function within(
  { minReplicas, maxReplicas, policy }: PolicySettings,
  wanted: number,
  partitions: readonly PartitionReadings[] | undefined,
): { replicas: number; rails: readonly Rail[] } {
  const useful = partitions === undefined ? Infinity : withWork(partitions);
  const most = Math.max(minReplicas, Math.min(maxReplicas, useful));
  const rails: Rail[] = [];
  if (wanted > most) rails.push(useful < maxReplicas ? "partitions" : "max");
  else if (wanted < minReplicas) rails.push("min");
  const bounded = Math.max(minReplicas, Math.min(wanted, most));
  if (policy.kind === "rules" || partitions === undefined) return { replicas: bounded, rails };
  return { replicas: Math.max(minReplicas, fewestAs(bounded, partitions.length)), rails };
}

/** How many have a backlog or messages coming in: more replicas than that have nothing to do. */
function withWork(partitions: readonly PartitionReadings[]): number {
  return Math.max(1, partitions.filter((each) => each.backlog > 0 || each.rateIn > 0).length);
}

function inTerms(demand: Demand, readings: Readings): string {
  const { backlog } = readings;
  const { rateIn, perReplica, steady, catchUp, hotPartition, slowest } = demand;
  const parts = [
    `${inflow(rateIn, readings.rateIn.short)} and a backlog of ${round(backlog)} need ${round(steady)} + ${round(catchUp)} replicas of ${round(perReplica)} msg/s`,
  ];
  if (slowest !== undefined) {
    parts.push(`the slowest handles ${round(slowest)}, and has as many partitions as the others`);
  }
  if (hotPartition !== undefined) {
    parts.push(
      `partition ${hotPartition} alone gets more than one replica can handle, and more replicas do not help it: choose keys that spread`,
    );
  }
  return parts.join("; ");
}

/** What is expected to come in, and what has come in lately if that is something else. */
function inflow(expected: number, lately: number): string {
  const [first, second] = [round(expected), round(lately)];
  return first === second ? `${first} msg/s in` : `${first} msg/s expected (${second} lately)`;
}

function round(value: number): number {
  return Math.round(value * 10) / 10;
}
