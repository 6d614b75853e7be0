/**
 * How many replicas a load needs: as many as keep up with what comes in, and as many more as work the backlog off in
 * time. The rate comes first, because a service that keeps up has no backlog, and by its backlog alone would shrink.
 *
 * The rate of one replica is that of its busy time, as in DS2 (Kalavri et al., OSDI 2018): what it handles while it
 * has something to do, and not what it happens to be given. The term for the backlog is that of Flink's autoscaler.
 */
import type { PartitionReadings, Readings } from "./readings.ts";

/** What the formula is told. */
export interface DemandSettings {
  /** The share of its time for which a replica should be busy, above 0 and up to 1. */
  readonly utilization: number;
  /** How long a message may wait, in milliseconds. */
  readonly sloMs: number;
  /** In which time a backlog should be worked off, in milliseconds. */
  readonly catchUpMs: number;
  /** The rate of one replica while none has told its own, in messages per second. */
  readonly perReplica: number | undefined;
}

/** The terms of the formula. */
export interface Demand {
  /** Messages per second that are expected to come in. */
  readonly rateIn: number;
  /** Messages per second of one replica. */
  readonly perReplica: number;
  /** Replicas for what comes in. */
  readonly steady: number;
  /** Replicas for the backlog. */
  readonly catchUp: number;
  /** Both, a partition counting as one replica at most: no more than one can work on it. */
  readonly need: number;
  /** How many replicas have that strength, given how partitions are shared among them. */
  readonly replicas: number;
  /** With fewer it should grow, and with more it should shrink; between them lies what noise may do. */
  readonly enough: number;
  readonly plenty: number;
  /** A partition that keeps one replica busier than it should be: more replicas are no help. */
  readonly hotPartition: number | undefined;
}

/** For tuning. */
export const TUNING = { onTheirWay: 0.3, burst: 0.5, up: 0.03, down: 0.03, busiest: 0.95 };

/** The demand, if one replica handles so many messages per second. */
export function demandOf(
  readings: Readings,
  perReplica: number,
  { utilization, sloMs, catchUpMs }: DemandSettings,
): Demand {
  const { short, long } = readings.rateIn;
  // Up with the first burst, down with the trend.
  const rateIn = long + TUNING.burst * Math.max(0, short - long);
  const onTheirWayS = (TUNING.onTheirWay * sloMs) / 1_000;
  const inReplicas = (rate: number, backlog: number): { steady: number; catchUp: number } => ({
    steady: rate / (utilization * perReplica),
    catchUp: Math.max(0, backlog - onTheirWayS * rate) / ((catchUpMs / 1_000) * perReplica),
  });
  const { partitions } = readings;
  const parts =
    partitions === undefined
      ? [inReplicas(rateIn, readings.backlog)]
      : scaled(partitions, rateIn).map((each) => inReplicas(each.rateIn, each.backlog));
  const steady = sum(parts.map((each) => each.steady));
  const catchUp = sum(parts.map((each) => each.catchUp));
  const needs = parts.map((each) => each.steady + each.catchUp);
  const need = partitions === undefined ? steady + catchUp : sum(needs.map((each) => Math.min(1, each)));
  const slowest = Math.min(1, (readings.slowest || perReplica) / perReplica);
  const hottest = Math.min(1, Math.max(...needs));
  const limit = TUNING.busiest / utilization;
  const fewest = (factor: number): number =>
    partitions === undefined
      ? Math.ceil(need * factor)
      : replicasFor(need * factor, partitions.length, { limit, hottest: hottest * factor, slowest });
  return {
    rateIn,
    perReplica,
    steady,
    catchUp,
    need,
    replicas: fewest(1),
    enough: fewest(1 - TUNING.up),
    plenty: fewest(1 + TUNING.down),
    hotPartition: hotPartition(partitions, utilization * perReplica),
  };
}

/** What keeps a group from being as fast as its members are on average. */
interface Uneven {
  /** How much more than its share a member can do when it is always busy. */
  readonly limit: number;
  /** How many replicas the partition needs that needs the most. */
  readonly hottest: number;
  /** How fast the slowest member is, as a part of the average. */
  readonly slowest: number;
}

/**
 * The fewest replicas of that strength. Of n members of P partitions some have ⌈P/n⌉, and the load is worked off no
 * faster than they do: n members are as strong as P / ⌈P/n⌉. The slowest of them may be one of those, and so may be
 * the owner of the hottest partition: they need not have time to spare, but should keep up.
 */
export function replicasFor(
  need: number,
  partitions: number,
  { limit, hottest, slowest }: Uneven = { limit: 1, hottest: 0, slowest: 1 },
): number {
  if (need <= 0) return 0;
  const each = need / partitions;
  const others = (need - hottest) / Math.max(1, partitions - 1);
  const most = Math.min(
    1 / each,
    (limit * slowest) / each,
    hottest === 0 || others === 0 ? Infinity : 1 + (limit - hottest) / others,
  );
  return Math.ceil(partitions / Math.max(1, Math.floor(most)));
}

/** The fewest members of which none has more partitions than the busiest of so many: the rest would help nobody. */
export function fewestAs(members: number, partitions: number): number {
  return members === 0 ? 0 : Math.ceil(partitions / Math.ceil(partitions / members));
}

/** The partitions as they would be if all together had this rate. */
function scaled(partitions: readonly PartitionReadings[], rateIn: number): PartitionReadings[] {
  const measured = sum(partitions.map((each) => each.rateIn));
  // Messages that came in only just now may not show in any partition yet.
  if (measured === 0) {
    const even = rateIn / partitions.length;
    return partitions.map(({ backlog }) => ({ rateIn: even, backlog }));
  }
  const factor = rateIn / measured;
  return partitions.map((each) => ({ rateIn: each.rateIn * factor, backlog: each.backlog }));
}

function hotPartition(
  partitions: readonly PartitionReadings[] = [],
  most: number,
): number | undefined {
  const rates = partitions.map(({ rateIn }) => rateIn);
  const hottest = Math.max(...rates);
  return hottest > most ? rates.indexOf(hottest) : undefined;
}

function sum(values: readonly number[]): number {
  return values.reduce((total, value) => total + value, 0);
}
