/** The workloads that policies are tried with. A seed moves and scales what happens in them. */
import { dayInTheLife } from "./day.ts";
import type { Random } from "./random.ts";
import type { Span, Traffic } from "./traffic.ts";

/** A kind of traffic. */
export interface Workload {
  /** In a few words, for people. */
  readonly about: string;
  /** The traffic of one seed. */
  readonly traffic: (random: Random) => Traffic;
}

const MINUTE_MS = 60_000;
const HOUR_MS = 60 * MINUTE_MS;
const DURATION_MS = 2 * HOUR_MS;

/** The name of a workload. */
export type WorkloadName =
  | "steps"
  | "sine"
  | "ramp"
  | "burst"
  | "dump"
  | "hot-partition"
  | "outage"
  | "slow-replicas"
  | "day";

/** All of them, by name. Rates are for replicas of 40 messages per second, of which there are at most 16. */
export const WORKLOADS: Readonly<Record<WorkloadName, Workload>> = {
  steps: {
    about: "a new rate every 20 minutes, by turns of 60–200 and 220–450 msg/s",
    traffic: (random) => {
      const rates = [0, 1, 2, 3, 4, 5].map((i) =>
        i % 2 === 0 ? random.between(60, 200) : random.between(220, 450),
      );
      return {
        durationMs: DURATION_MS,
        rate: (now) => rates[clamp(Math.floor(now / (20 * MINUTE_MS)), 0, 5)] ?? 0,
      };
    },
  },
  sine: {
    about: "40 to 400 msg/s and back, every hour",
    traffic: (random) => ({ durationMs: DURATION_MS, rate: wave(random, 220, 180, HOUR_MS) }),
  },
  ramp: {
    about: "60 to 450 msg/s in 40 minutes, 20 minutes there, and the same way back",
    traffic: (random) => {
      const top = random.between(380, 450);
      const up = 40 * MINUTE_MS;
      return {
        durationMs: DURATION_MS,
        rate: (now) => {
          const risen = clamp(now / up, 0, 1) - clamp((now - HOUR_MS) / up, 0, 1);
          return 60 + (top - 60) * risen;
        },
      };
    },
  },
  burst: {
    about: "100 msg/s, and 500 for 10 s of every minute",
    traffic: (random) => {
      const shift = random.between(0, MINUTE_MS);
      return {
        durationMs: DURATION_MS,
        rate: (now) => (now >= 0 && (now + shift) % MINUTE_MS >= 50_000 ? 500 : 100),
      };
    },
  },
  dump: {
    about: "120 msg/s, and three times 12,000 messages at once",
    traffic: (random) => ({
      durationMs: DURATION_MS,
      rate: () => 120,
      dumps: [20, 60, 100].map((minute) => ({
        at: (minute + random.between(-10, 10)) * MINUTE_MS,
        count: 12_000,
      })),
    }),
  },
  "hot-partition": {
    about:
      "180 msg/s, and one key with 24 msg/s, for a minute with 45: more than one replica can do",
    traffic: (random) => {
      const from = random.between(30, 80) * MINUTE_MS;
      return {
        durationMs: DURATION_MS,
        rate: () => 180,
        hotKey: (now) => (now >= from && now < from + MINUTE_MS ? 45 : 24),
      };
    },
  },
  outage: {
    about: "60 to 340 msg/s and back, every 40 minutes, and three times no readings for 4 minutes",
    traffic: (random) => ({
      durationMs: DURATION_MS,
      rate: wave(random, 200, 140, 40 * MINUTE_MS),
      outages: [15, 55, 95].map((minute): Span => {
        const from = (minute + random.between(0, 15)) * MINUTE_MS;
        return { from, to: from + 4 * MINUTE_MS };
      }),
    }),
  },
  "slow-replicas": {
    about: "60 to 240 msg/s and back, every hour; one replica in five is half as fast",
    traffic: (random) => ({
      durationMs: DURATION_MS,
      rate: wave(random, 150, 90, HOUR_MS),
      slow: 0.2,
    }),
  },
  day: {
    about:
      "a day in three hours: night, morning, noon, evening, with noise, spikes, a pause of the producers, crashes and a slow spell",
    traffic: dayInTheLife,
  },
};

function wave(
  random: Random,
  mean: number,
  amplitude: number,
  periodMs: number,
): (now: number) => number {
  const phase = random.between(0, 2 * Math.PI);
  // Before it begins, the rate stands still.
  return (now) => mean + amplitude * Math.sin(phase + (2 * Math.PI * Math.max(0, now)) / periodMs);
}

function clamp(value: number, least: number, most: number): number {
  return Math.min(most, Math.max(least, value));
}
