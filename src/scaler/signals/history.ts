/**
 * What several looks at a queue tell together: rates in and out, and how much one replica can do. Pure.
 *
 * Rates come from what consumers have been given and handled, part by part, and never from how many messages a stream
 * holds: that count falls when messages are removed. A part whose counter has begun anew says nothing for that stretch.
 */
import {
  LONG_WINDOWS,
  type PartitionReadings,
  type Readings,
  type Unread,
} from "../policy/readings.ts";
import type { MemberSample, QueueSample } from "./queue.ts";

/** The time for which members must have been busy before their rate says something, in milliseconds. */
const LEAST_BUSY_MS = 250;

/** The looks of the long window, and the one before them, so that the whole of it is covered. */
export function keeping(
  samples: readonly QueueSample[],
  sample: QueueSample,
  shortMs: number,
): QueueSample[] {
  const first = samples.findLastIndex(({ at }) => at <= sample.at - LONG_WINDOWS * shortMs);
  return [...samples.slice(Math.max(0, first)), sample];
}

/**
 * The readings at the newest look; unread while rates would need one more.
 *
 * @param shortMs the short window, in milliseconds
 * @param more metrics from elsewhere, such as `cpu.avg_pct`
 */
export function readingsFrom(
  samples: readonly QueueSample[],
  shortMs: number,
  more: Readonly<Record<string, number>> = {},
): Readings | Unread {
  const newest = samples.at(-1);
  if (newest === undefined || samples.length < 2)
    return { unread: "rates need two readings, and this is the first", isEarly: true };
  const { at, backlog, lag, partitioned, parts } = newest;
  const long = flowsSince(samples, at - LONG_WINDOWS * shortMs);
  if (long.every(({ ms }) => ms === 0)) {
    return {
      unread: "all partitions have another owner than before: rates need another reading",
      isEarly: true,
    };
  }
  const recent = flowsSince(samples, at - shortMs);
  // A partition that has just changed hands goes on as it went before.
  const short = recent.map((flow, part) => (flow.ms > 0 ? flow : (long[part] ?? flow)));
  const rateIn = { short: total(short, arrivals), long: total(long, arrivals) };
  const works = worksOf(samples);
  const partitions: PartitionReadings[] = parts.map((part, i) => ({
    rateIn: perSecond(long[i]?.arrived ?? 0, long[i]?.ms ?? 0),
    backlog: part.backlog,
  }));
  return {
    backlog,
    rateIn,
    rateOut: total(long, departures),
    perReplica: rateWhileBusy(works),
    slowest: slowestOf(works, shortMs),
    partitions: partitioned ? partitions : undefined,
    metrics: {
      "queue.backlog": backlog,
      "queue.lag": lag,
      "queue.rate_in": rateIn.short,
      "queue.rate_out": total(short, departures),
      ...more,
    },
  };
}

/** What went through a part while its counter went on. */
interface Flow {
  arrived: number;
  handled: number;
  ms: number;
}

/** The flow of each part of the newest look since then. */
function flowsSince(samples: readonly QueueSample[], since: number): Flow[] {
  const flows = (samples.at(-1)?.parts ?? []).map(() => ({ arrived: 0, handled: 0, ms: 0 }));
  // A stretch that began before the window counts when most of it lies within; the newest counts however long it is.
  const begins = samples.findIndex(
    ({ at }, i) => i === samples.length - 2 || (at + (samples[i + 1]?.at ?? at)) / 2 >= since,
  );
  for (let i = begins + 1; i < samples.length; i++) {
    const [before, after] = [samples[i - 1], samples[i]];
    if (before === undefined || after === undefined) continue;
    for (const [part, flow] of flows.entries()) {
      const [earlier, later] = [before.parts[part], after.parts[part]];
      if (earlier === undefined || later === undefined) continue;
      if (earlier.counter !== later.counter || later.handled < earlier.handled) continue;
      const handled = later.handled - earlier.handled;
      flow.handled += handled;
      // Less when messages were removed before they were handled.
      flow.arrived += Math.max(0, handled + later.backlog - earlier.backlog);
      flow.ms += after.at - before.at;
    }
  }
  return flows;
}

const arrivals = ({ arrived }: Flow): number => arrived;
const departures = ({ handled }: Flow): number => handled;

function total(flows: readonly Flow[], count: (flow: Flow) => number): number {
  return flows.reduce((sum, flow) => sum + perSecond(count(flow), flow.ms), 0);
}

function perSecond(count: number, ms: number): number {
  return ms > 0 ? (count / ms) * 1_000 : 0;
}

/** What one life of a member has done over the looks that there are. */
type Work = NonNullable<MemberSample["work"]>;

function worksOf(samples: readonly QueueSample[]): Work[] {
  const first = new Map<string, Work>();
  const last = new Map<string, Work>();
  for (const { members = [] } of samples) {
    for (const { id, incarnation, work } of members) {
      const life = `${id} ${incarnation}`;
      if (work === undefined) continue;
      if (!first.has(life)) first.set(life, work);
      last.set(life, work);
    }
  }
  return [...last].map(([life, work]) => {
    const before = first.get(life) ?? work;
    return {
      processed: Math.max(0, work.processed - before.processed),
      busyMs: Math.max(0, work.busyMs - before.busyMs),
    };
  });
}

/**
 * What one member handles in a second of being busy, over all of them: the true rate of DS2 (Kalavri et al., OSDI 2018).
 * Undefined while they have not been busy for long enough to tell.
 */
function rateWhileBusy(works: readonly Work[]): number | undefined {
  const processed = works.reduce((sum, work) => sum + work.processed, 0);
  const busyMs = works.reduce((sum, work) => sum + work.busyMs, 0);
  return busyMs < LEAST_BUSY_MS ? undefined : perSecond(processed, busyMs);
}

/** The same of the slowest, of those that were busy for at least so long: of others a few messages would decide. */
function slowestOf(works: readonly Work[], leastBusyMs: number): number | undefined {
  const rates = works
    .filter(({ busyMs }) => busyMs >= leastBusyMs)
    .map(({ processed, busyMs }) => perSecond(processed, busyMs));
  return rates.length === 0 ? undefined : Math.min(...rates);
}
