/**
 * A service, its traffic and a policy, simulated: seeded, without a clock, some ten thousand times faster than life.
 *
 * Time goes in steps of half a second. What matters here takes longer: the shortest is a hand-over, with 1 s, and a
 * message is late after 10 s. So a step's messages may be counted together, and the age of a message is right to
 * within one step.
 */
import { invalidOption } from "../../errors.ts";
import { partitionOf } from "../../partition/partitioner.ts";
import { Arrivals } from "./arrivals.ts";
import { Backlog } from "./backlog.ts";
import { Group } from "./group.ts";
import { Observer } from "./observer.ts";
import { POLICIES, type PolicyName } from "./policies/policies.ts";
import type { MakePolicy, Policy } from "./policies/policy.ts";
import { createRandom, type Random } from "./random.ts";
import { Score, type Scored } from "./score.ts";
import { SERVICE, type Service } from "./service.ts";
import type { Traffic } from "./traffic.ts";
import { work } from "./work.ts";
import { WORKLOADS, type WorkloadName } from "./workloads.ts";

/** What to simulate. */
export interface SimulateOptions {
  readonly workload: WorkloadName;
  /** One of {@link POLICIES}, or one of your own. */
  readonly policy: PolicyName | MakePolicy;
  /** The same seed brings the same messages at the same times, whatever the policy. Default 1. */
  readonly seed?: number;
  /** What is different from {@link SERVICE}: a start-up time, for example. */
  readonly service?: Partial<Service>;
}

/** What came of it. */
export interface Simulated extends Scored {
  readonly workload: WorkloadName;
  /** The policy in words. */
  readonly policy: string;
  readonly seed: number;
  readonly startUpMs: number;
}

const STEP_MS = 500;
/** Before what counts: it begins with a group that has settled. */
const WARM_UP_MS = 300_000;

/**
 * Simulates one workload under one policy, in a tenth of a second.
 *
 * @throws DocktorError INVALID_OPTION where there is no such workload or policy
 */
export function simulate(options: SimulateOptions): Simulated {
  const { workload, seed = 1 } = options;
  const service: Service = { ...SERVICE, ...options.service };
  const chance = (of: string): Random => createRandom(`${seed}/${workload}/${of}`);
  const traffic = named(WORKLOADS, workload, "workload").traffic(chance("traffic"));
  const make =
    typeof options.policy === "string" ? named(POLICIES, options.policy, "policy") : options.policy;
  const policy = make(service);
  const scored = play(traffic, policy, service, chance);
  return { workload, policy: policy.name, seed, startUpMs: service.startUpMs, ...scored };
}

function named<K extends string, V>(all: Readonly<Record<K, V>>, name: K, what: string): V {
  if (Object.hasOwn(all, name)) return all[name];
  throw invalidOption(`there is no ${what} ${name}: use ${Object.keys(all).join(", ")}`);
}

/** Plays one traffic to one policy. */
function play(
  traffic: Traffic,
  policy: Policy,
  service: Service,
  chance: (of: string) => Random,
): Scored {
  const { partitions, perReplica, startUpMs } = service;
  const group = new Group(service, traffic.slow ?? 0, chance("replicas"));
  const observer = new Observer(service, traffic.outages ?? [], chance("readings"));
  const score = new Score(service.sloMs);
  const backlogs = Array.from({ length: partitions }, () => new Backlog());
  const arrivals = new Arrivals(traffic, weightsOf(service, chance("keys")), chance("arrivals"));
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
function weightsOf({ partitions, keys }: Service, random: Random): number[] {
  const weights = Array.from({ length: partitions }, () => 0);
  const prefix = random.next();
  for (let i = 0; i < keys; i++) {
    const partition = partitionOf(`${prefix}-${i}`, partitions);
    weights[partition] = (weights[partition] ?? 0) + 1 / keys;
  }
  return weights;
}
