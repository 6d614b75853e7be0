/** What a service works on, seen from outside: what every kind of queue is asked for. */

/** A queue at one moment. */
export interface QueueSample {
  /** When it was read, in milliseconds of the machine's monotonic clock. */
  readonly at: number;
  /** Messages that are stored and not handled for good. */
  readonly backlog: number;
  /** Those of them that nobody has been given yet, where that is known; else the same. */
  readonly lag: number;
  /** How long the oldest message of the backlog has been stored, in milliseconds; undefined where nobody looked. */
  readonly oldestMs: number | undefined;
  /** The partitions by their number; a queue that is not divided has one part. */
  readonly parts: readonly PartSample[];
  /** Whether the parts are partitions, each of which one replica works on. */
  readonly partitioned: boolean;
  /** The members of a group; undefined where the queue does not know who works on it. */
  readonly members: readonly MemberSample[] | undefined;
  /** Whether partitions are on their way between members. */
  readonly rebalancing: boolean;
}

/** What rates are computed from. */
export interface PartSample {
  /** Names the counter: one under another name has begun anew. */
  readonly counter: string;
  /** How many messages the counter has seen handled. */
  readonly handled: number;
  readonly backlog: number;
}

/** One member. */
export interface MemberSample {
  readonly id: string;
  /** Names its life: counts of another have begun anew. */
  readonly incarnation: string;
  readonly state: "active" | "draining" | "restarting" | "dead";
  /** When it joined, Unix milliseconds by its own clock. */
  readonly startedAt: number;
  /** How many partitions it owns. */
  readonly partitions: number;
  /** Messages handled, and for how long it was busy with them; undefined before it has told. */
  readonly work: { readonly processed: number; readonly busyMs: number } | undefined;
}

/** Reads one queue. */
export interface QueueReader {
  /** @throws DocktorError CONNECTION_FAILED, NOT_AUTHORIZED, JETSTREAM_DISABLED */
  connect(): Promise<void>;
  /**
   * Looks whether the stream is there, or the consumer of it, and tells what it is, in a few words for people.
   *
   * @throws DocktorError STREAM_NOT_FOUND, READING_UNAVAILABLE
   */
  validate(what: "stream" | "consumer"): Promise<string>;
  /** @throws DocktorError READING_UNAVAILABLE, STREAM_NOT_FOUND, TIMEOUT and those of the connection */
  read(): Promise<QueueSample>;
  /**
   * Has a member leave for good: it hands its partitions over, and then leaves. Resolves once it has; at once where the
   * queue knows no members.
   *
   * @throws DocktorError TIMEOUT; the signal's reason when it aborts first
   */
  drain(member: MemberSample, signal: AbortSignal): Promise<void>;
  close(): Promise<void>;
}
