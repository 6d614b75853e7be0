/**
 * A service, its traffic and a policy, simulated: seeded, without a clock, some thousand times faster than life.
 *
 * Time goes in steps of half a second. What matters here takes longer: the shortest is a hand-over, with 1 s, and a
 * message is late after 10 s. So a step's messages may be counted together, and the age of a message is right to
 * within one step.
 */
import { POLICY_DEFAULTS } from "../defaults.ts";
import { partitionOf } from "../../partition/partitioner.ts";
import { Arrivals } from "./arrivals.ts";
import { Backlog } from "./backlog.ts";
import { Group } from "./group.ts";
import { Observer } from "./observer.ts";
import type { Policy } from "./policies/policy.ts";
import { POLICIES, type PolicyName } from "./policies/policies.ts";
import { createRandom, type Random } from "./random.ts";
import { Score, type Scored } from "./score.ts";
import { work } from "./work.ts";
import type { Traffic } from "./traffic.ts";
import { WORKLOADS, type WorkloadName } from "./workloads.ts";

/** The service that is simulated; times in milliseconds. */
const SERVICE = {
  partitions: 32,
  /** Whose messages are shared among the partitions by their hashes, as evenly as those happen to be. */
  keys: 2_000,
  /** Messages per second of one replica. */
  perReplica: 40,
  sloMs: POLICY_DEFAULTS.sloMs,
  handOverMs: 1_000,
  failOverMs: 5_000,
  readingsDelayMs: 2_000,
  ackMs: 100,
  readingsError: 0.03,
} as const;

/** What to simulate. */
export interface SimulateOptions {
  readonly workload: WorkloadName;
  /** One of docktor's or its rivals', or one of your own. */
  readonly policy: PolicyName | Policy;
  /** The same seed brings the same messages at the same times, whatever the policy. Default 1. */
  readonly seed?: number;
  /** How long a replica takes from its start until it handles messages, in milliseconds. Default 15,000. */
  readonly startUpMs?: number;
}

/** What came of it. */
export interface Simulated extends Scored {
  readonly workload: WorkloadName;
  readonly policy: string;
  readonly seed: number;
  readonly startUpMs: number;
}

const STEP_MS = 500;
/** Before what counts: it begins with a group that has settled. */
const WARM_UP_MS = 300_000;

/** Simulates. */
export function simulate(options: SimulateOptions): Simulated {
  const { workload, seed = 1, startUpMs = 15_000 } = options;
  const policy = typeof options.policy === "string" ? POLICIES[options.policy] : options.policy;
  const chance = (of: string): Random => createRandom(`${seed}/${workload}/${of}`);
  const traffic: Traffic = WORKLOADS[workload].traffic(chance("traffic"));
  const scored = play(traffic, policy, startUpMs, chance);
  return { workload, policy: policy.name, seed, startUpMs, ...scored };
}

/** Plays one traffic to one policy. */
function play(
  traffic: Traffic,
  policy: Policy,
  startUpMs: number,
  chance: (of: string) => Random,
): Scored {
  const { partitions, perReplica, sloMs } = SERVICE;
  const { handOverMs, failOverMs, readingsDelayMs: delayMs, ackMs, readingsError: error } = SERVICE;
  const { outages = [], slow = 0 } = traffic;
  const group = new Group(
    { partitions, startUpMs, handOverMs, failOverMs, slow },
    chance("replicas"),
  );
  const observer = new Observer({ delayMs, ackMs, error, outages }, chance("readings"));
  const score = new Score(sloMs);
  const backlogs = Array.from({ length: partitions }, () => new Backlog());
  const arrivals = new Arrivals(traffic, weightsOf(chance("keys")), chance("arrivals"));
  const total = { handled: 0, busyMs: 0 };
  const target = policy.begin();
  const begin = -WARM_UP_MS;
  group.scaleTo(Math.ceil(traffic.rate(begin) / (0.7 * perReplica)), begin - 2 * startUpMs);
  for (let now = begin; now < traffic.durationMs; now += STEP_MS) {
    group.advance(now);
    if (traffic.crashes?.some((at) => at >= now && at < now + STEP_MS)) group.crash(now);
    arrivals.step(now, STEP_MS, backlogs);
    const rate = perReplica * (traffic.speed?.(now) ?? 1);
    const isMoving = (partition: number): boolean => group.isMoving(partition, now);
    for (const member of group.members) {
      const { busyMs } = member;
      total.handled += work(member, backlogs, isMoving, rate * member.speed, STEP_MS);
      total.busyMs += member.busyMs - busyMs;
    }
    const end = now + STEP_MS;
    score.step(end, STEP_MS, backlogs, group);
    if (observer.isDue(end)) observer.look(end, arrivals.counts, backlogs, total, group.members);
    if (end % policy.intervalMs !== 0) continue;
    const { replicas } = group;
    const rebalancing = group.isRebalancing(end);
    const wanted = target({ now: end, replicas, rebalancing, readings: observer.read(end) });
    score.decided(end, replicas.ready + replicas.starting, wanted);
    group.scaleTo(wanted, end);
  }
  return score.result(arrivals.total, total.handled, backlogs);
}

/** Which part of the messages belongs to each partition: its part of the keys. */
function weightsOf(random: Random): number[] {
  const { partitions, keys } = SERVICE;
  const weights = Array.from({ length: partitions }, () => 0);
  const prefix = random.next();
  for (let i = 0; i < keys; i++) {
    const partition = partitionOf(`${prefix}-${i}`, partitions);
    weights[partition] = (weights[partition] ?? 0) + 1 / keys;
  }
  return weights;
}
