/** A day of a service in three hours: its rate follows people's habits, with noise, and with what goes wrong. */
import type { Random } from "./random.ts";
import { type Span, type Traffic, within } from "./traffic.ts";

const MINUTE_MS = 60_000;
const DURATION_MS = 180 * MINUTE_MS;
/** An hour of the day. */
const HOUR_MS = DURATION_MS / 24;

/** Messages per second at these hours; between them it changes evenly. */
const HABITS: readonly (readonly [hour: number, rate: number])[] = [
  [0, 60],
  [5, 40],
  [8, 260],
  [10, 340],
  [12.5, 270],
  [14, 330],
  [17, 230],
  [20, 300],
  [23, 90],
  [24, 60],
];

/** How far the rate strays from the habit: so many per cent, and for so long. */
const NOISE = 0.06;
const NOISE_LASTS_MS = 120_000;

/** The traffic of one seed. */
export function dayInTheLife(random: Random): Traffic {
  const noise = drift(random);
  const from = (hour: number, minutes: number): Span => {
    const at = (hour + random.between(0, 2)) * HOUR_MS;
    return { from: at, to: at + minutes * MINUTE_MS };
  };
  const spikes = [from(6, 4), from(18, 4)];
  const pause = from(11, 3);
  // What producers could not send meanwhile they send after it.
  const after = { from: pause.to, to: pause.to + 3 * MINUTE_MS };
  const slow = from(14.5, 6);
  return {
    durationMs: DURATION_MS,
    rate(now) {
      const usual = habit(Math.max(0, now) / HOUR_MS) * noise(now);
      if (within([pause], now)) return usual * 0.2;
      if (within([after], now)) return usual * 1.4;
      return within(spikes, now) ? usual * 1.6 : usual;
    },
    crashes: [9, 13, 19].map((hour) => (hour + random.between(0, 1)) * HOUR_MS),
    speed: (now) => (within([slow], now) ? 0.75 : 1),
  };
}

function habit(hour: number): number {
  const next = HABITS.findIndex(([at]) => at > hour);
  const [until, later] = HABITS[next] ?? [24, 60];
  const [since, earlier] = HABITS[next - 1] ?? [0, 60];
  if (until === since) return later;
  return earlier + (later - earlier) * Math.min(1, (hour - since) / (until - since));
}

/** A factor that wanders about 1, drawn in advance so that it is the same whoever asks. */
function drift(random: Random): (now: number) => number {
  const everyMs = 10_000;
  const keep = Math.exp(-everyMs / NOISE_LASTS_MS);
  const spread = NOISE * Math.sqrt(1 - keep * keep);
  const points: number[] = [0];
  for (let at = everyMs; at <= DURATION_MS; at += everyMs) {
    points.push((points.at(-1) ?? 0) * keep + spread * random.normal());
  }
  return (now) => 1 + (points[Math.floor(Math.max(0, now) / everyMs)] ?? 0);
}
