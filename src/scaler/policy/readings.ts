/** What is known of a service when it is decided about. */

/** A rate is looked at over `metrics_window`, and over a window that is so many times as long. */
export const LONG_WINDOWS = 6;

/** The readings of one moment. None is ever made up: what could not be read is {@link Unread}. */
export interface Readings {
  /** Messages that are stored and not handled for good. */
  readonly backlog: number;
  /** Messages per second that come in, over the short window and over the long one. */
  readonly rateIn: { readonly short: number; readonly long: number };
  /** Messages per second that are handled, over the long window. */
  readonly rateOut: number;
  /** Messages per second that one replica handles while it is busy; undefined while none has told. */
  readonly perReplica: number | undefined;
  /** The same of the slowest replica, of those that were busy for long enough to tell; undefined where none was. */
  readonly slowest?: number | undefined;
  /** Of a queue that is divided: each partition, by its number. */
  readonly partitions: readonly PartitionReadings[] | undefined;
  /** By the name that rules use: `queue.backlog`, `queue.lag`, `queue.rate_in`, `queue.rate_out`, `cpu.avg_pct`. */
  readonly metrics: Readonly<Record<string, number>>;
}

/** One partition. */
export interface PartitionReadings {
  /** Messages per second that come in, over the long window. */
  readonly rateIn: number;
  /** Messages that are stored and not handled for good. */
  readonly backlog: number;
}

/** Readings that are missing, stale or no numbers, and why. */
export interface Unread {
  readonly unread: string;
  /** It is only too early to tell: nothing has failed. */
  readonly isEarly?: true;
}

/** The replicas of a service. */
export interface Replicas {
  /** Those that handle messages. */
  readonly ready: number;
  /** Those that were started and are not there yet. */
  readonly starting: number;
  /** Those that keep ending by themselves: more of them would do so, too, and nobody waits for them. */
  readonly failing: number;
  /** Those that are about to leave. */
  readonly draining: number;
}

/** How many there are: all but those that are about to leave. */
export function sizeOf({ ready, starting, failing }: Replicas): number {
  return ready + starting + failing;
}

/** Readings that can be reckoned with; of others, which one is no number. A metric of rules is looked at by its rule. */
export function checked(readings: Readings | Unread): Readings | Unread {
  if ("unread" in readings) return readings;
  const { backlog, rateIn, rateOut, perReplica = 0, slowest = 0 } = readings;
  const { partitions } = readings;
  const numbers = {
    backlog,
    "rate in": rateIn.short,
    "rate in over the long window": rateIn.long,
    "rate out": rateOut,
    "rate of a replica": perReplica,
    "rate of the slowest replica": slowest,
  };
  for (const [name, value] of Object.entries(numbers)) {
    if (!isCount(value)) return { unread: `the ${name} reads ${value}` };
  }
  if (partitions === undefined) return readings;
  if (partitions.length === 0) return { unread: "it reads no partitions" };
  const wrong = partitions.findIndex((each) => !isCount(each.rateIn) || !isCount(each.backlog));
  return wrong < 0 ? readings : { unread: `partition ${wrong} reads no numbers` };
}

function isCount(value: number): boolean {
  return Number.isFinite(value) && value >= 0;
}
