/**
 * One life of a member: a record in the members bucket that vanishes unless it is
 * renewed. While the session may be trusted, nobody else can own the member's leases.
 */
import { type Clock, slept } from "../clock.ts";
import { DocktorError, isDocktorError, toDocktorError } from "../errors.ts";
import { isLiveSession, type MemberWork, parseSession, type SessionRecord } from "./records.ts";
import { ABSENT, type Store } from "./store.ts";

/**
 * The share of the TTL by which a member stops before the server may forget it. Members of other versions rely on it:
 * a smaller one would have them take over too early.
 */
const MARGIN = 0.13;

/**
 * The share of the TTL by which two clocks may differ over one TTL. A monotonic clock that is being set right runs up to
 * a twelfth too slow (chrony's `maxslewrate`): 87 % of a TTL may take 95 % of one.
 */
const SLEW = 0.08;

/**
 * How long after a renewal was seen its owner has stopped for sure, in milliseconds. It does not start again, so
 * nothing is gained by waiting until the server forgets it.
 */
export function silenceMs(ttlMs: number): number {
  return ttlMs * (1 - MARGIN + SLEW);
}

/** Renewals per TTL. */
const RENEWALS = 3;

/** What a session needs. */
export interface OpenSessionOptions {
  store: Store;
  clock: Clock;
  memberId: string;
  /** How long the record lives without renewal: the members bucket's time to live. */
  ttlMs: number;
  /** The incarnation of this same process's earlier session, whose record it may replace. */
  previous?: string;
  /** What each renewal tells of the member's work. */
  work?: () => MemberWork;
  signal?: AbortSignal;
}

/** A member's session, kept alive until it is ended or lost. */
export class Session {
  readonly memberId: string;
  readonly incarnation: string;
  readonly ttlMs: number;
  /**
   * Aborts when the session may no longer be trusted, with a DocktorError SESSION_LOST
   * as its reason. It fires before the server may forget the session.
   */
  readonly lost: AbortSignal;
  readonly #lost = new AbortController();
  readonly #stopped = new AbortController();
  readonly #store: Store;
  readonly #clock: Clock;
  readonly #work: (() => MemberWork) | undefined;
  #revision: number;
  #trustedUntil: number;
  #renewals = 0;
  #keeping: Promise<void>;

  private constructor(
    options: OpenSessionOptions,
    incarnation: string,
    revision: number,
    sentAt: number,
  ) {
    this.memberId = options.memberId;
    this.incarnation = incarnation;
    this.ttlMs = options.ttlMs;
    this.lost = this.#lost.signal;
    this.#store = options.store;
    this.#clock = options.clock;
    this.#work = options.work;
    this.#revision = revision;
    this.#trustedUntil = this.#trustFrom(sentAt);
    this.#keeping = Promise.all([this.#keepRenewing(), this.#guard()]).then(() => undefined);
  }

  /**
   * Starts a session under the member's id. Waits, for at most the TTL, for the record of
   * a crashed earlier life to expire.
   *
   * @throws DocktorError MEMBER_ID_IN_USE when a live member renews that record
   */
  static async open(options: OpenSessionOptions): Promise<Session> {
    const incarnation = crypto.randomUUID();
    for (;;) {
      const expected = await vacancy(options);
      const sentAt = options.clock.now();
      try {
        const record: SessionRecord = { incarnation };
        const revision = await options.store.write(options.memberId, record, expected);
        return new Session(options, incarnation, revision, sentAt);
      } catch (error) {
        if (!isDocktorError(error, "CONFLICT")) throw error;
      }
    }
  }

  /** Whether, at this moment, nobody else may own what this session owns. */
  trusted(): boolean {
    return !this.#lost.signal.aborted && this.#clock.now() < this.#trustedUntil;
  }

  /** Ends the session at once: deletes its record, so that others need not wait for the TTL. */
  async end(): Promise<void> {
    this.abandon();
    // A renewal under way changes the revision.
    await this.#keeping;
    try {
      await this.#store.delete(this.memberId, this.#revision);
    } catch {
      // The record expires by itself; another life may even have replaced it already.
    }
  }

  /** Stops renewing and leaves the record to its TTL. */
  abandon(): void {
    this.#stopped.abort();
  }

  #trustFrom(sentAt: number): number {
    return sentAt + this.ttlMs * (1 - MARGIN);
  }

  async #keepRenewing(): Promise<void> {
    let pauseMs = this.ttlMs / RENEWALS;
    while (await this.#slept(pauseMs)) {
      const sentAt = this.#clock.now();
      if (sentAt >= this.#trustedUntil) return this.#lose("was not renewed in time");
      try {
        const record: SessionRecord = {
          incarnation: this.incarnation,
          renewal: ++this.#renewals,
          ...(this.#work === undefined ? {} : { work: this.#work() }),
        };
        this.#revision = await this.#store.write(this.memberId, record, this.#revision);
        // An answer that comes too late does not bring trust back: someone may have seen it gone.
        if (!this.trusted()) return this.#lose("was renewed too late");
        this.#trustedUntil = this.#trustFrom(sentAt);
        pauseMs = this.ttlMs / RENEWALS;
      } catch (error) {
        if (isDocktorError(error, "CONFLICT") && !(await this.#recover())) {
          return this.#lose("expired, was declared dead, or was replaced under the same id", error);
        }
        // Whatever it was, only the deadline decides: try again well before it.
        pauseMs = this.ttlMs / RENEWALS / 5;
      }
    }
  }

  /** Finds out whether a renewal that was given up has landed after all; trust does not grow by it. */
  async #recover(): Promise<boolean> {
    try {
      const entry = await this.#store.get(this.memberId);
      if (entry === undefined) return false;
      if (!isLiveSession(this.memberId, entry.value, this.incarnation)) return false;
      this.#revision = entry.revision;
      return true;
    } catch {
      // The next renewal meets the same conflict, or the deadline decides.
      return true;
    }
  }

  /** Loses the session at its deadline, also while a renewal hangs. */
  async #guard(): Promise<void> {
    for (;;) {
      const leftMs = this.#trustedUntil - this.#clock.now();
      if (leftMs <= 0) return this.#lose("was not renewed in time");
      if (!(await this.#slept(leftMs))) return;
    }
  }

  async #slept(ms: number): Promise<boolean> {
    return await slept(this.#clock, ms, this.#stopped.signal);
  }

  #lose(why: string, cause?: unknown): void {
    if (this.#stopped.signal.aborted) return;
    this.#stopped.abort();
    this.#lost.abort(
      new DocktorError(
        "SESSION_LOST",
        `the session of member ${this.memberId} ${why}: others may take over its partitions`,
        { cause },
      ),
    );
  }
}

/** The revision at which the id may be taken, once it may. */
async function vacancy(options: OpenSessionOptions): Promise<number> {
  const { store, clock, memberId, ttlMs, previous, signal } = options;
  let first: number | undefined;
  for (;;) {
    const entry = await store.get(memberId);
    if (entry === undefined) return ABSENT;
    const record = parseSession(memberId, entry.value);
    if (record.expired || record.incarnation === previous) return entry.revision;
    first ??= entry.revision;
    if (entry.revision !== first) {
      throw new DocktorError(
        "MEMBER_ID_IN_USE",
        `member id ${memberId} is in use by a live member: stop that one first, or choose another memberId`,
      );
    }
    await clock.sleep(ttlMs / 20, signal);
  }
}

/**
 * Declares a session dead, and makes sure that it cannot be renewed any more: one whose record is gone,
 * or one that was not renewed for {@link silenceMs} after it was seen with the revision `seen`. Returns whether it is
 * dead: false when its record is not as expected.
 */
export async function declareDead(
  store: Store,
  memberId: string,
  incarnation: string,
  seen: number = ABSENT,
): Promise<boolean> {
  try {
    await store.write(memberId, { incarnation, expired: true } satisfies SessionRecord, seen);
    return true;
  } catch (error) {
    const known = toDocktorError(error);
    if (known.code !== "CONFLICT") throw known;
    const entry = await store.get(memberId);
    if (entry === undefined) return false;
    const record = parseSession(memberId, entry.value);
    return record.incarnation === incarnation && record.expired === true;
  }
}
