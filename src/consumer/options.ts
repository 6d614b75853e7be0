/** A consumer's options: their meaning, their defaults, and the check at the edge. */
import type { StreamConfig } from "@nats-io/jetstream";
import { invalidOption, written } from "../errors.ts";
import { unnamedMember } from "../member-id.ts";
import type { ConnectionSource } from "../nats/connection.ts";
import { checkEnsureStream, type Names, refuseUnknown } from "../options.ts";
import { checkName, checkPartitions, checkSubject } from "../partition/names.ts";
import type { CommitOptions } from "./committer.ts";
import type { KeyConcurrency, MemberConcurrency } from "./handlers.ts";
import type { PoisonOptions, PoisonSettings } from "./dead-letters/poison.ts";

/** How a member keeps its place in the group. */
export interface SessionOptions {
  /**
   * How long the group waits for a member that does not answer before it gives the
   * member's partitions to others, in milliseconds, from 500 to 600,000. Default 5,000. It is
   * a property of the group: while it has members, a newcomer takes over theirs.
   */
  readonly ttlMs?: number;
  /**
   * How long the group waits for this member to be restarted under the same `memberId`, in
   * milliseconds, from 0 to 3,600,000. Until then its partitions stay with it, whether it was drained
   * or has crashed; it goes on where it was. Counted from when its session has ended: at once when
   * it is drained; when it crashes, once the group has noticed, as a rule before `ttlMs` is over. Needs a `memberId`. Default 0: its partitions
   * move as soon as it is gone.
   */
  readonly restartDelayMs?: number;
}

/** When work on a partition counts as stalled. */
export interface StallOptions {
  /**
   * How long one message may be under way, in milliseconds: from its first call to its success,
   * pauses between attempts included. Then `partition:stalled` is told and the partition is given to
   * another member, once for each message; at the second stall the poison policy decides. Default
   * 300,000; 0 switches it off.
   */
  readonly afterMs?: number;
}

/** What a consumer is given. */
export interface ConsumerOptions extends ConnectionSource {
  /** The stream that stores the messages. */
  readonly stream: string;
  /** The prefix of the partitions' subjects: `<subject>.p.<n>`. */
  readonly subject: string;
  /**
   * How many partitions the subject has. May be left out once a producer or consumer has
   * set it; a different count is an error.
   */
  readonly partitions?: number;
  /** The group: each message is handled by one of its members. */
  readonly group: string;
  /**
   * This member's name in the group; no two live members can have the same. With a stable one, such
   * as a pod's, and `session.restartDelayMs` it keeps its partitions over a restart. Default: host
   * name, process id and a random part.
   */
  readonly memberId?: string;
  /** How this member keeps its place in the group. */
  readonly session?: SessionOptions;
  /** When what is handled is committed. */
  readonly commit?: CommitOptions;
  /** What becomes of a message whose handler keeps failing. Default: it is tried for ever. */
  readonly poison?: PoisonOptions;
  /** When a partition whose handler hangs is given to another member. */
  readonly stall?: StallOptions;
  /**
   * How long a hand-over, of one partition or of all in `drain()`, waits for the handlers under
   * way, in milliseconds, and with `concurrency` for one that fails while later messages of other keys
   * are handled: it is called again. After it they are aborted through their `signal`, and the partition is
   * given up all the same. Default 25,000; 0 waits for nothing, not even an answer of the server.
   */
  readonly drainTimeoutMs?: number;
  /**
   * Handle several keys of a partition at a time, with `eachMessage`, or no more than so many messages or batches of all
   * partitions. Default: one of each partition at a time.
   */
  readonly concurrency?: (KeyConcurrency & Partial<MemberConcurrency>) | MemberConcurrency;
  /**
   * Create the stream when it is missing, storing `<subject>.p.*`; an object adds settings
   * to it. Default: a missing stream is an error. One that exists is never changed.
   */
  readonly ensureStream?: boolean | Partial<StreamConfig>;
}

/** Options with every default filled in. */
export interface ConsumerSettings {
  readonly source: ConnectionSource;
  readonly stream: string;
  readonly subject: string;
  readonly partitions: number | undefined;
  readonly group: string;
  readonly memberId: string;
  readonly ttlMs: number;
  readonly restartDelayMs: number;
  readonly commit: { readonly intervalMs: number; readonly window: number };
  readonly poison: PoisonSettings;
  readonly stallAfterMs: number;
  readonly drainTimeoutMs: number;
  readonly concurrency: KeyConcurrency | undefined;
  /** How many handlers may be under way at a time; undefined: as many as there are partitions, or keys of them. */
  readonly perMember: number | undefined;
  readonly ensureStream: boolean | Partial<StreamConfig>;
}

const CONSUMER_OPTIONS: Names<ConsumerOptions> = {
  servers: true,
  connection: true,
  stream: true,
  subject: true,
  partitions: true,
  group: true,
  memberId: true,
  session: true,
  commit: true,
  poison: true,
  stall: true,
  drainTimeoutMs: true,
  concurrency: true,
  ensureStream: true,
};

/**
 * Checks the options and fills in the defaults.
 *
 * @throws DocktorError INVALID_OPTION
 */
export function resolveOptions(options: ConsumerOptions): ConsumerSettings {
  refuseUnknown(options, CONSUMER_OPTIONS);
  const { servers, connection, partitions, concurrency } = options;
  const { session = {}, commit = {}, poison = {}, stall = {}, drainTimeoutMs = 25_000 } = options;
  refuseUnknown(session, { ttlMs: true, restartDelayMs: true }, "session.");
  refuseUnknown(stall, { afterMs: true }, "stall.");
  refuseUnknown(commit, { intervalMs: true, window: true }, "commit.");
  return {
    source: {
      ...(servers === undefined ? {} : { servers }),
      ...(connection === undefined ? {} : { connection }),
    },
    stream: checkName("stream", options.stream),
    subject: checkSubject(options.subject),
    partitions: partitions === undefined ? undefined : checkPartitions(partitions),
    group: checkName("group", options.group),
    memberId: checkName("memberId", options.memberId ?? defaultMemberId()),
    ttlMs: checkNumber("session.ttlMs", session.ttlMs ?? 5_000, 500, 600_000),
    restartDelayMs: checkRestartDelay(session.restartDelayMs ?? 0, options.memberId),
    commit: {
      intervalMs: checkNumber("commit.intervalMs", commit.intervalMs ?? 250, 1, 60_000),
      window: checkNumber("commit.window", commit.window ?? 2_048, 1, 100_000),
    },
    poison: checkPoison(poison),
    stallAfterMs: checkNumber("stall.afterMs", stall.afterMs ?? 300_000, 0, 86_400_000),
    drainTimeoutMs: checkNumber("drainTimeoutMs", drainTimeoutMs, 0, 86_400_000),
    ...(concurrency === undefined
      ? { concurrency, perMember: undefined }
      : checkConcurrency(concurrency)),
    ensureStream: checkEnsureStream(options.ensureStream),
  };
}

function checkNumber(name: string, value: number | undefined, min: number, max: number): number {
  if (value !== undefined && Number.isInteger(value) && value >= min && value <= max) return value;
  throw invalidOption(
    `${name} ${written(value)} is not possible: use a whole number from ${min} to ${max}`,
  );
}

function checkRestartDelay(restartDelayMs: number, memberId: string | undefined): number {
  checkNumber("session.restartDelayMs", restartDelayMs, 0, 3_600_000);
  if (restartDelayMs === 0 || memberId !== undefined) return restartDelayMs;
  throw invalidOption(
    `session.restartDelayMs ${restartDelayMs} needs a memberId that stays the same over the restart: without one, nobody comes back for whom the group could wait`,
  );
}

function checkPoison(poison: PoisonOptions): PoisonSettings {
  refuseUnknown(poison, { policy: true, maxAttempts: true }, "poison.");
  const { policy = "block", maxAttempts = 10 } = poison;
  if (policy !== "block" && policy !== "dead-letter" && policy !== "park-key") {
    throw invalidOption(
      `poison.policy ${JSON.stringify(policy)} is not possible: use "block", "dead-letter" or "park-key"`,
    );
  }
  return { policy, maxAttempts: checkNumber("poison.maxAttempts", maxAttempts, 1, 1_000) };
}

function checkConcurrency(
  given: NonNullable<ConsumerOptions["concurrency"]>,
): Pick<ConsumerSettings, "concurrency" | "perMember"> {
  const names = { perPartition: true, by: true, perMember: true } as const;
  refuseUnknown<Partial<KeyConcurrency & MemberConcurrency>>(given, names, "concurrency.");
  const { perPartition, by, perMember }: Partial<KeyConcurrency & MemberConcurrency> = given;
  if (perMember !== undefined) checkNumber("concurrency.perMember", perMember, 1, 10_000);
  if (perPartition === undefined && by === undefined && perMember !== undefined) {
    return { concurrency: undefined, perMember };
  }
  if (by !== "key") {
    throw invalidOption(`concurrency.by ${written(by)} is not possible: use "key"`);
  }
  const most = checkNumber("concurrency.perPartition", perPartition, 1, 10_000);
  return { concurrency: { perPartition: most, by }, perMember };
}

function defaultMemberId(): string {
  return `${unnamedMember(process.pid)}-${crypto.randomUUID().slice(0, 8)}`;
}
