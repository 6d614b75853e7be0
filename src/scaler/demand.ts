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
  /** Both. */
  readonly need: number;
  /** How many replicas have that strength, given how partitions are shared among them. */
  readonly replicas: number;
  /** A partition that one replica cannot keep up with: more replicas are no help. */
  readonly hotPartition: number | undefined;
}

/** The part of the SLO's backlog that is nothing but messages on their way. */
const ON_THEIR_WAY = 0.3;

/** By how much of a replica the need may be exceeded, so that noise around a whole number changes nothing. */
const DEAD_BAND = 0.05;

/** The demand; undefined while nobody knows what a replica can do. */
export function demandOf(readings: Readings, settings: DemandSettings): Demand | undefined {
  const perReplica = readings.perReplica ?? settings.perReplica;
  if (perReplica === undefined || !(perReplica > 0)) return undefined;
  const { short, long } = readings.rateIn;
  // Up with the first burst, down with the trend.
  const rateIn = (Math.max(short, long) + long) / 2;
  const onTheirWay = (ON_THEIR_WAY * settings.sloMs * rateIn) / 1_000;
  const excess = Math.max(0, readings.backlog - onTheirWay);
  const steady = rateIn / (settings.utilization * perReplica);
  const catchUp = excess / ((settings.catchUpMs / 1_000) * perReplica);
  const need = steady + catchUp;
  const { partitions } = readings;
  const hottest = partitions?.hottest;
  return {
    rateIn,
    perReplica,
    steady,
    catchUp,
    need,
    replicas: replicasFor(need - DEAD_BAND, partitions),
    hotPartition:
      hottest !== undefined && hottest.rateIn > perReplica ? hottest.partition : undefined,
  };
}

/**
 * The fewest replicas of that strength. Of n members of P partitions some have ⌈P/n⌉, and the load is worked off no
 * faster than they do: n members are as strong as P / ⌈P/n⌉.
 */
export function replicasFor(need: number, partitions: PartitionReadings | undefined): number {
  const least = Math.max(0, Math.ceil(need));
  if (partitions === undefined || least === 0) return least;
  const { count } = partitions;
  if (least >= count) return count;
  // As strong as `need` is who has at most P / need partitions.
  const most = Math.floor(count / need);
  return Math.ceil(count / most);
}
