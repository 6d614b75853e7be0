/** What is known of a service when it is decided about. */

/** The readings of one moment. None is ever made up: what could not be read is {@link Unread}. */
export interface Readings {
  /** Messages that are stored and not handled for good. */
  readonly backlog: number;
  /** Messages per second that come in, over a short window and over a long one. */
  readonly rateIn: { readonly short: number; readonly long: number };
  /** Messages per second that are handled. */
  readonly rateOut: number;
  /** Messages per second that one replica handles while it is busy; undefined while none has told. */
  readonly perReplica: number | undefined;
  /** Of a queue that is divided into partitions. */
  readonly partitions: PartitionReadings | undefined;
  /** By the name that rules use: `queue.backlog`, `queue.lag`, `queue.rate_in`, `queue.rate_out`, `cpu.avg_pct`. */
  readonly metrics: Readonly<Record<string, number>>;
}

/** How the load is spread over partitions. */
export interface PartitionReadings {
  readonly count: number;
  /** How many have a backlog or messages coming in: more replicas than that have nothing to do. */
  readonly withWork: number;
  /** The one with the most messages per second coming in; undefined while nothing comes in. */
  readonly hottest: { readonly partition: number; readonly rateIn: number } | undefined;
}

/** Readings that are missing, stale or no numbers, and why. */
export interface Unread {
  readonly unread: string;
}

/** The replicas of a service. */
export interface Replicas {
  /** Those that handle messages. */
  readonly ready: number;
  /** Those that were started and are not there yet. */
  readonly starting: number;
  /** Those that are about to leave. */
  readonly draining: number;
}
