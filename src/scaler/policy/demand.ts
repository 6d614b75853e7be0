/**
 * How many replicas a load needs: as many as keep up with what comes in, and as many more as work the backlog off in
 * time. The rate comes first, because a service that keeps up has no backlog, and by its backlog alone would shrink.
 *
 * The rate of one replica is that of its busy time, as in DS2 (Kalavri et al., OSDI 2018): what it handles while it
 * has something to do, and not what it happens to be given. The term for the backlog is that of Flink's autoscaler.
 */
import type { PartitionReadings, Readings } from "./readings.ts";
import { replicasFor } from "./shares.ts";

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
  /** Both, a partition counting for no more than one replica can do: no other can work on it. */
  readonly need: number;
  /** How many replicas have that strength, given how partitions are shared among them. */
  readonly replicas: number;
  /** With fewer it should grow, and with more it should shrink; what lies between may be noise. */
  readonly enough: number;
  readonly plenty: number;
  /** A partition that gets more than one replica handles: more replicas are no help. */
  readonly hotPartition: number | undefined;
  /** Messages per second of the slowest replica, where more replicas are needed because of it. */
  readonly slowest: number | undefined;
}

/** A backlog of this part of the SLO is messages on their way. */
const ON_THEIR_WAY = 0.3;
/** How much of what the last seconds brought above the long window's rate is expected to go on. */
const BURST = 0.5;
/** By which part the need may be off without anything being done. */
const NOISE = 0.03;
/** How busy a single replica may be; on average they should be less so. */
const BUSIEST = 0.9;

/** The demand, if one replica handles so many messages per second. */
export function demandOf(readings: Readings, perReplica: number, settings: DemandSettings): Demand {
  const { utilization } = settings;
  const { short, long } = readings.rateIn;
  // Up with the first burst, down with the trend.
  const rateIn = long + BURST * Math.max(0, short - long);
  const terms = loads(readings, rateIn).map((load) => termsOf(load, perReplica, settings));
  const steady = sum(terms.map((each) => each.steady));
  const catchUp = sum(terms.map((each) => each.catchUp));
  const { partitions } = readings;
  const common = { rateIn, perReplica, steady, catchUp };
  if (partitions === undefined) {
    const need = steady + catchUp;
    const [replicas, enough, plenty] = withNoise((factor) => Math.ceil(need * factor));
    return {
      ...common,
      need,
      replicas,
      enough,
      plenty,
      hotPartition: undefined,
      slowest: undefined,
    };
  }
  // Of a replica that is busy all the time; those that are counted have time to spare.
  const one = 1 / utilization;
  const needs = terms.map((each) => Math.min(one, each.steady + each.catchUp));
  const need = sum(needs);
  const uneven = {
    busiest: Math.max(1, BUSIEST / utilization),
    hottest: Math.max(...needs),
    slowest: Math.min(1, (readings.slowest || perReplica) / perReplica),
  };
  const count = partitions.length;
  const [replicas, enough, plenty] = withNoise((factor) =>
    replicasFor(need * factor, count, uneven),
  );
  const isSlow = replicasFor(need, count, { ...uneven, slowest: 1 }) < replicas;
  return {
    ...common,
    need,
    replicas,
    enough,
    plenty,
    hotPartition: hotPartition(partitions, perReplica),
    slowest: isSlow ? readings.slowest : undefined,
  };
}

/** What comes in and waits, by partition where there are any, if all together come to this rate. */
function loads({ backlog, partitions }: Readings, rateIn: number): readonly PartitionReadings[] {
  if (partitions === undefined) return [{ rateIn, backlog }];
  const measured = sum(partitions.map((each) => each.rateIn));
  return partitions.map((each) => ({
    // Messages that have come in only just now may not show in any partition yet.
    rateIn: measured === 0 ? rateIn / partitions.length : (each.rateIn * rateIn) / measured,
    backlog: each.backlog,
  }));
}

/** Counted for each partition, as a backlog in one of them is late even when it is little for all. */
function termsOf(
  { rateIn, backlog }: PartitionReadings,
  perReplica: number,
  { utilization, sloMs, catchUpMs }: DemandSettings,
): { steady: number; catchUp: number } {
  const late = Math.max(0, backlog - (ON_THEIR_WAY * sloMs * rateIn) / 1_000);
  return {
    steady: rateIn / (utilization * perReplica),
    catchUp: (late * 1_000) / (catchUpMs * perReplica),
  };
}

/** The numbers for the need, for a little less and for a little more. */
function withNoise(replicas: (factor: number) => number): [number, number, number] {
  return [replicas(1), replicas(1 - NOISE), replicas(1 + NOISE)];
}

function hotPartition(
  partitions: readonly PartitionReadings[],
  perReplica: number,
): number | undefined {
  const rates = partitions.map(({ rateIn }) => rateIn);
  const hottest = Math.max(...rates);
  return hottest > perReplica ? rates.indexOf(hottest) : undefined;
}

function sum(values: readonly number[]): number {
  return values.reduce((total, value) => total + value, 0);
}
