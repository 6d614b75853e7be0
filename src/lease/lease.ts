/**
 * Ownership of one partition in one epoch: claimed by compare-and-set, used while the
 * member's session may be trusted, released by compare-and-set.
 */
import { DocktorError, isDocktorError } from "../errors.ts";
import { Checkpoint, type LookAtStream } from "./checkpoint.ts";
import { checkpointKey, type LeaseRecord, leaseKey } from "./records.ts";
import type { Session } from "./session.ts";
import { ABSENT, type Store } from "./store.ts";

/** A lease record with its revision, as a watch saw it. */
export interface LeaseEntry {
  readonly record: LeaseRecord;
  readonly revision: number;
}

/** What a claim needs. */
export interface ClaimOptions {
  store: Store;
  session: Session;
  partition: number;
  /** The record the claim is based on; undefined if the partition never had an owner. */
  seen: LeaseEntry | undefined;
  lookAtStream: LookAtStream;
  /** The settings of the durables that this member makes: see {@link LeaseRecord}. */
  durableSettings: string;
}

/** What a release says beside for whom it is: see {@link LeaseRecord}. */
export type ReleaseMark = Pick<LeaseRecord, "prepared" | "shunnedBy">;

/** A partition owned by this member. */
export class Lease {
  readonly partition: number;
  /** The fencing token: a later owner has a greater one. */
  readonly epoch: number;
  readonly checkpoint: Checkpoint;
  /** Whether the owner before has made this epoch's durable, with the settings of this one. */
  readonly prepared: boolean;
  /**
   * Aborts when the lease is lost. The reason is a DocktorError: FENCED, SESSION_LOST, STALLED,
   * DRAIN_TIMEOUT, CLOSED, or what made a step on the partition fail.
   */
  readonly lost: AbortSignal;
  readonly #lost = new AbortController();
  readonly #store: Store;
  readonly #session: Session;
  /** The revision of the lease record. */
  readonly revision: number;

  private constructor(
    options: ClaimOptions,
    epoch: number,
    revision: number,
    checkpoint: Checkpoint,
  ) {
    this.partition = options.partition;
    this.epoch = epoch;
    this.checkpoint = checkpoint;
    const { seen, session, durableSettings } = options;
    this.prepared = isPrepared(seen, session.memberId, durableSettings);
    this.lost = this.#lost.signal;
    this.#store = options.store;
    this.#session = options.session;
    this.revision = revision;
  }

  /**
   * Claims the partition and seals its checkpoint.
   *
   * @throws DocktorError CONFLICT when another member changed the lease first,
   *   FENCED when one did before the seal, SESSION_LOST when the session ended meanwhile
   */
  static async claim(options: ClaimOptions): Promise<Lease> {
    const { store, session, partition, seen, lookAtStream, durableSettings } = options;
    const epoch = (seen?.record.epoch ?? 0) + 1;
    const shunnedBy = seen?.record.shunnedBy;
    const record: LeaseRecord = {
      epoch,
      owner: session.memberId,
      incarnation: session.incarnation,
      ...(shunnedBy === undefined || shunnedBy === session.memberId ? {} : { shunnedBy }),
    };
    // Side by side, as a hand-over is as long as its round trips: the seal is a compare-and-set
    // and so does not mind that its record was read before the claim.
    const read = store.get(checkpointKey(partition));
    const [revision] = await Promise.all([
      store.write(leaseKey(partition), record, seen?.revision ?? ABSENT),
      read,
    ]);
    const checkpoint = await Checkpoint.seal({
      store,
      partition,
      epoch,
      read,
      ...(isPrepared(seen, session.memberId, durableSettings) ? {} : { lookAtStream }),
    });
    const lease = new Lease(options, epoch, revision, checkpoint);
    // A claimer that was held up since it looked at its session owns nothing any more.
    if (!session.trusted()) throw untrusted(partition, session);
    return lease;
  }

  /** Whether, at this moment, nobody else may own the partition. */
  trusted(): boolean {
    return !this.#lost.signal.aborted && this.#session.trusted();
  }

  /** Marks the lease as lost: aborts {@link lost}. Only the first reason counts. */
  lose(reason: DocktorError): void {
    this.#lost.abort(reason);
  }

  /**
   * Commits that every message up to `sequence` is handled.
   *
   * @param delivered how many deliveries that covers; as before when left out
   * @throws DocktorError FENCED, SESSION_LOST, TIMEOUT
   */
  async commit(sequence: number, delivered?: number): Promise<void> {
    if (!this.trusted()) throw this.#whyLost();
    try {
      await this.checkpoint.commit(sequence, delivered);
    } catch (error) {
      if (isDocktorError(error, "FENCED")) this.lose(error);
      throw error;
    }
  }

  /**
   * Writes the checkpoint's troubles, without a step forward.
   *
   * @throws DocktorError FENCED, SESSION_LOST, TIMEOUT
   */
  async note(): Promise<void> {
    await this.commit(this.checkpoint.sequence);
  }

  /**
   * Gives the partition up, for `next` if that is known, and returns the record's new revision.
   *
   * @throws DocktorError FENCED when another member claimed it before, TIMEOUT
   */
  async release(next: string | undefined, mark: ReleaseMark = {}): Promise<number> {
    const { partition, epoch } = this;
    const record: LeaseRecord = { ...freed(epoch, next), ...mark };
    try {
      return await this.#store.write(leaseKey(partition), record, this.revision);
    } catch (error) {
      if (!isDocktorError(error, "CONFLICT")) throw error;
      throw new DocktorError(
        "FENCED",
        `partition ${this.partition} was claimed by another member before epoch ${this.epoch} released it`,
        { cause: error },
      );
    }
  }

  #whyLost(): unknown {
    return this.#lost.signal.aborted
      ? this.#lost.signal.reason
      : untrusted(this.partition, this.#session);
  }
}

/**
 * Whether the release vouches for durable and stream. For nobody but the one it is meant for, who may have used the
 * durable already; and a durable that will not be used vouches for nothing.
 */
export function isPrepared(
  seen: LeaseEntry | undefined,
  memberId: string,
  durableSettings: string,
): boolean {
  return seen?.record.next === memberId && seen.record.prepared === durableSettings;
}

function untrusted(partition: number, session: Session): DocktorError {
  return new DocktorError(
    "SESSION_LOST",
    `the session of member ${session.memberId} may have expired, so partition ${partition} may have another owner`,
    { cause: session.lost.reason },
  );
}

/** Marks the lease as free, if its record still has the revision `expected`. */
export async function releaseRecord(
  store: Store,
  partition: number,
  epoch: number,
  next: string | undefined,
  expected: number,
): Promise<number> {
  return await store.write(leaseKey(partition), freed(epoch, next), expected);
}

function freed(epoch: number, next: string | undefined): LeaseRecord {
  return { epoch, ...(next === undefined ? {} : { next }) };
}
