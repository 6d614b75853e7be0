/**
 * The records of the protocol, and their keys. What comes from the server is checked
 * here, once, before anything else sees it.
 */
import { DocktorError } from "../errors.ts";
import { isObject } from "../options.ts";

/** In the members bucket, under the member's id: this life of the member is alive. */
export interface SessionRecord {
  /** Names one life of a member; another one starts when the session is lost. */
  readonly incarnation: string;
  /** Counts those sent: one that was given up and has landed must not pass for the next. Absent at first. */
  readonly renewal?: number;
  /** Set by whoever declared the session dead: the record is there to keep it from being renewed. */
  readonly expired?: true;
  /** What the member has done so far in this life, for whoever scales the group; absent at first. */
  readonly work?: MemberWork;
}

/** How much a member has done in this life, and how busy it was: the one by the other is how much it can do. */
export interface MemberWork {
  /** Messages that its handlers have handled. */
  readonly processed: number;
  /**
   * For how long it was busy, in milliseconds: its time, weighted with how much of its thread or of its partitions was
   * in use, whichever was more.
   */
  readonly busyMs: number;
}

/**
 * The state of a member, as the roster has it.
 *
 * - `active`: it takes its share of the partitions
 * - `draining`: it hands its partitions over and leaves for good
 * - `restarting`: it stops, or has stopped, and is expected back under its id, so that the others
 *   leave its partitions to it
 */
export type MemberState = "active" | "draining" | "restarting";

/** One member in the roster. */
export interface RosterMember {
  readonly incarnation: string;
  readonly state: MemberState;
  /** When it joined, Unix milliseconds by its own clock; for people, never compared. */
  readonly startedAt: number;
  /**
   * How long the group keeps its place once its session is gone, in milliseconds; absent when it
   * is not to wait at all.
   */
  readonly restartDelayMs?: number;
}

/** Who belongs to the group. One record, so that its revisions order all joins and leaves. */
export interface Roster {
  readonly stream: string;
  readonly subject: string;
  readonly group: string;
  /** How long a session lives without renewal; the same for all members. */
  readonly ttlMs: number;
  readonly members: Readonly<Record<string, RosterMember>>;
}

/** Who owns a partition. Changes only when ownership does. */
export interface LeaseRecord {
  /** Grows with every claim: the fencing token. */
  readonly epoch: number;
  /** The owner's member id; absent when released. */
  readonly owner?: string;
  /** The owner's incarnation when it claimed. */
  readonly incarnation?: string;
  /** For whom it was released: a hint, so that only that one claims. */
  readonly next?: string;
  /**
   * The owner before has made the next epoch's durable with these settings, on the stream that the
   * checkpoint names and from no later than that checkpoint: the next owner need look at neither.
   */
  readonly prepared?: string;
  /** The member that gave the partition up because work on it stalled there: it is best kept from it. */
  readonly shunnedBy?: string;
}

/** What became so far of a message that was handed over and is not handled. */
export interface Trouble {
  /** How often its handler failed or hung. */
  readonly failures: number;
  /** What the last failure said. */
  readonly error: string;
  /** Whether it has once made its owner give the partition up. */
  readonly stalled?: true;
}

/** How far a partition is handled. Written by the owner of `epoch`, and by nobody else. */
export interface CheckpointRecord {
  readonly epoch: number;
  /** The stream sequence up to which every message of the partition is handled. */
  readonly sequence: number;
  /** When the stream was created: a stream of the same name made later has other messages. */
  readonly created: string;
  /**
   * How many deliveries of the epoch's durable `sequence` covers; absent before the first commit. What a live
   * owner's durable has delivered beyond it is under way.
   */
  readonly delivered?: number;
  /** The earliest epoch whose durable has yet to be removed; absent once those before `epoch` are. */
  readonly since?: number;
  /**
   * The earliest epoch whose durable is to be removed once more, as it may come into being late; absent
   * once that is done.
   */
  readonly lateSince?: number;
  /** By its sequence, what befell a message beyond `sequence`: the next owner goes on counting. */
  readonly troubles?: Readonly<Record<string, Trouble>>;
}

/** The roster's key. It matches {@link LEASE_FILTER}, so one watch sees roster and leases in order. */
export const ROSTER_KEY = "lease.roster";

/** Matches the roster and every lease. */
export const LEASE_FILTER = "lease.*";

/** The key of a partition's lease. */
export function leaseKey(partition: number): string {
  return `lease.${partition}`;
}

/** The key of a partition's checkpoint, which {@link LEASE_FILTER} does not match. */
export function checkpointKey(partition: number): string {
  return `checkpoint.${partition}`;
}

/** The partition of a lease's key; undefined for the roster and for foreign keys. */
export function partitionOfLeaseKey(key: string): number | undefined {
  const match = /^lease\.(\d+)$/.exec(key);
  return match ? Number(match[1]) : undefined;
}

function isCount(value: unknown): value is number {
  return Number.isSafeInteger(value) && (value as number) >= 0;
}

function isOptionalCount(value: unknown): value is number | undefined {
  return value === undefined || isCount(value);
}

function isOptionalString(value: unknown): value is string | undefined {
  return value === undefined || typeof value === "string";
}

function invalid(key: string): DocktorError {
  return new DocktorError(
    "RECORD_INVALID",
    `the record ${key} in the group's bucket was not written by docktor: delete the bucket if nothing else uses it, or choose another group name`,
  );
}

function isWork(value: unknown): boolean {
  return isObject(value) && isCount(value["processed"]) && isCount(value["busyMs"]);
}

/** The session record under `key`. @throws DocktorError RECORD_INVALID */
export function parseSession(key: string, value: unknown): SessionRecord {
  if (
    isObject(value) &&
    typeof value["incarnation"] === "string" &&
    (value["work"] === undefined || isWork(value["work"]))
  ) {
    return value as unknown as SessionRecord;
  }
  throw invalid(key);
}

/**
 * Whether the record under `key` is that of this life of the member, and nobody has declared it dead;
 * `value` is undefined when there is none.
 *
 * @throws DocktorError RECORD_INVALID
 */
export function isLiveSession(key: string, value: unknown, incarnation: string): boolean {
  if (value === undefined) return false;
  const record = parseSession(key, value);
  return record.incarnation === incarnation && record.expired === undefined;
}

/** The roster. @throws DocktorError RECORD_INVALID */
export function parseRoster(value: unknown): Roster {
  if (
    isObject(value) &&
    typeof value["stream"] === "string" &&
    typeof value["subject"] === "string" &&
    typeof value["group"] === "string" &&
    isCount(value["ttlMs"]) &&
    isObject(value["members"]) &&
    Object.values(value["members"]).every(isRosterMember)
  ) {
    return value as unknown as Roster;
  }
  throw invalid(ROSTER_KEY);
}

const MEMBER_STATES = new Set<unknown>([
  "active",
  "draining",
  "restarting",
] satisfies MemberState[]);

function isRosterMember(value: unknown): boolean {
  return (
    isObject(value) &&
    typeof value["incarnation"] === "string" &&
    MEMBER_STATES.has(value["state"]) &&
    isCount(value["startedAt"]) &&
    isOptionalCount(value["restartDelayMs"])
  );
}

/** The lease record under `key`. @throws DocktorError RECORD_INVALID */
export function parseLease(key: string, value: unknown): LeaseRecord {
  if (
    isObject(value) &&
    isCount(value["epoch"]) &&
    isOptionalString(value["owner"]) &&
    isOptionalString(value["incarnation"]) &&
    isOptionalString(value["next"]) &&
    isOptionalString(value["prepared"]) &&
    isOptionalString(value["shunnedBy"])
  ) {
    return value as unknown as LeaseRecord;
  }
  throw invalid(key);
}

function isTroubles(value: unknown): boolean {
  return isObject(value) && Object.values(value).every(isTrouble);
}

function isTrouble(value: unknown): boolean {
  return isObject(value) && isCount(value["failures"]) && typeof value["error"] === "string";
}

/** The checkpoint record under `key`. @throws DocktorError RECORD_INVALID */
export function parseCheckpoint(key: string, value: unknown): CheckpointRecord {
  if (
    isObject(value) &&
    isCount(value["epoch"]) &&
    isCount(value["sequence"]) &&
    typeof value["created"] === "string" &&
    isOptionalCount(value["delivered"]) &&
    isOptionalCount(value["since"]) &&
    isOptionalCount(value["lateSince"]) &&
    (value["troubles"] === undefined || isTroubles(value["troubles"]))
  ) {
    return value as unknown as CheckpointRecord;
  }
  throw invalid(key);
}
