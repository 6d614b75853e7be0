/**
 * How far a partition is handled: sealed by each new owner, then advanced by that
 * owner's commits. Both are compare-and-set on the same record, so a commit of an
 * earlier owner lands before the seal, and is seen by it, or fails.
 */
import { DocktorError, isDocktorError } from "../errors.ts";
import { type CheckpointRecord, checkpointKey, parseCheckpoint, type Trouble } from "./records.ts";
import { ABSENT, type Entry, type Store } from "./store.ts";

/** Which stream of its name it is, and how far it reaches. */
export interface StreamPosition {
  /** When the stream was created: one of the same name made later has other messages. */
  readonly created: string;
  readonly lastSequence: number;
}

/**
 * Looks at the stream, which is known to have come so far unless it was made anew or set back; undefined when
 * nothing is known of it.
 */
export type LookAtStream = (known: StreamPosition | undefined) => Promise<StreamPosition>;

/** What a claimer needs to seal a checkpoint. */
export interface SealOptions {
  store: Store;
  partition: number;
  /** The claimer's epoch. */
  epoch: number;
  /** Looks at the stream; absent when the owner before vouches for it. */
  lookAtStream?: LookAtStream;
  /** A read of the record that is under way already; if it turns out stale, it is read again. */
  read?: Promise<Entry | undefined>;
}

/** Of how many messages a record tells the troubles: it must stay small enough to be written. */
const MOST_TROUBLES = 100;

/** For how many epochs what they have left is removed once more: owners may follow each other fast. */
const MOST_LATE = 16;

/** A partition's checkpoint, in the hands of the owner of one epoch. */
export class Checkpoint {
  readonly partition: number;
  readonly epoch: number;
  /** The record before it was sealed; undefined if there was none. */
  readonly previous: CheckpointRecord | undefined;
  /**
   * By its sequence, what befell a message that is not handled yet. The earliest
   * {@link MOST_TROUBLES} are written with the next commit, which also drops what it covers.
   */
  readonly troubles: Map<number, Trouble>;
  readonly #store: Store;
  readonly #created: string;
  #revision: number;
  #sequence: number;
  #delivered = 0;
  #since: number | undefined;
  #lateSince: number | undefined;

  private constructor(
    options: SealOptions,
    before: CheckpointRecord | undefined,
    sealed: CheckpointRecord,
    revision: number,
  ) {
    this.partition = options.partition;
    this.epoch = options.epoch;
    this.previous = before;
    this.troubles = new Map(
      Object.entries(sealed.troubles ?? {}).map(([sequence, trouble]) => [
        Number(sequence),
        trouble,
      ]),
    );
    this.#since = sealed.since;
    this.#lateSince = sealed.lateSince;
    this.#store = options.store;
    this.#created = sealed.created;
    this.#revision = revision;
    this.#sequence = sealed.sequence;
  }

  /**
   * Puts the claimer's epoch on the record, so that no earlier owner can commit.
   *
   * @throws DocktorError FENCED when a later owner was first
   */
  static async seal(options: SealOptions): Promise<Checkpoint> {
    const { store, partition, epoch, lookAtStream } = options;
    const key = checkpointKey(partition);
    for (let read = options.read; ; read = undefined) {
      const entry = await (read ?? store.get(key));
      const before = entry && parseCheckpoint(key, entry.value);
      if (before !== undefined && before.epoch >= epoch) throw fenced(partition, epoch, before);
      // The look comes after the read: what the record speaks of was in the stream by then.
      const start = lookAtStream
        ? startIn(await lookAtStream(before && positionOf(before)), before)
        : vouchedFor(key, before);
      const record = { epoch, ...start, ...(before && past(before, epoch)) };
      try {
        const revision = await store.write(key, record, entry?.revision ?? ABSENT);
        return new Checkpoint(options, before, record, revision);
      } catch (error) {
        // The owner before may still commit: its last word must be read.
        if (!isDocktorError(error, "CONFLICT")) throw error;
      }
    }
  }

  /** The earliest epoch whose durable has yet to be removed; undefined when there is none before this. */
  get since(): number | undefined {
    return this.#since;
  }

  /** The earliest epoch whose durable is to be removed once more; undefined when there is none. */
  get lateSince(): number | undefined {
    return this.#lateSince;
  }

  /** The durables of all earlier epochs are removed; the next commit says so. */
  tidied(): void {
    this.#since = undefined;
  }

  /** They are removed once more; the next commit says so. */
  tidiedAgain(): void {
    this.#lateSince = undefined;
  }

  /** When the stream was created. */
  get created(): string {
    return this.#created;
  }

  /** The stream sequence up to which every message is handled. */
  get sequence(): number {
    return this.#sequence;
  }

  /**
   * Advances the checkpoint. Only one commit may be under way at a time.
   *
   * @param delivered how many deliveries that covers; as before when left out
   * @throws DocktorError FENCED when another owner has sealed it,
   *   TIMEOUT when the server did not say what became of it
   */
  async commit(sequence: number, delivered: number = this.#delivered): Promise<void> {
    const key = checkpointKey(this.partition);
    for (const handled of this.troubles.keys()) {
      if (handled <= sequence) this.troubles.delete(handled);
    }
    const troubles = [...this.troubles].sort(([a], [b]) => a - b).slice(0, MOST_TROUBLES);
    const record: CheckpointRecord = {
      epoch: this.epoch,
      sequence,
      created: this.#created,
      delivered,
      ...(this.#since === undefined ? {} : { since: this.#since }),
      ...(this.#lateSince === undefined ? {} : { lateSince: this.#lateSince }),
      ...(troubles.length === 0 ? {} : { troubles: Object.fromEntries(troubles) }),
    };
    for (;;) {
      try {
        this.#revision = await this.#store.write(key, record, this.#revision);
        this.#sequence = sequence;
        this.#delivered = delivered;
        return;
      } catch (error) {
        if (!isDocktorError(error, "CONFLICT")) throw error;
      }
      const entry = await this.#store.get(key);
      const now = entry && parseCheckpoint(key, entry.value);
      // A record of our epoch is an earlier commit of ours whose answer was lost.
      if (entry === undefined || now?.epoch !== this.epoch) {
        throw fenced(this.partition, this.epoch, now);
      }
      this.#revision = entry.revision;
    }
  }
}

/** Which earlier epochs have left something, or may have. */
function past(
  before: CheckpointRecord,
  epoch: number,
): Required<Pick<CheckpointRecord, "since" | "lateSince">> {
  return {
    since: before.since ?? before.epoch,
    lateSince: Math.max(before.lateSince ?? before.epoch, epoch - MOST_LATE),
  };
}

type Start = Pick<CheckpointRecord, "sequence" | "created" | "troubles">;

/** Where to go on in the stream: at its first message if the record is of another one. */
function startIn(stream: StreamPosition, before: CheckpointRecord | undefined): Start {
  const { created, lastSequence } = stream;
  const same = before?.created === created;
  if (!same) return { sequence: 0, created };
  // A stream that was set back, as from a backup, uses its sequences again.
  if (lastSequence < before.sequence) return { sequence: lastSequence, created };
  return whereItEnded(before);
}

function positionOf({ created, sequence }: CheckpointRecord): StreamPosition {
  return { created, lastSequence: sequence };
}

function vouchedFor(key: string, before: CheckpointRecord | undefined): Start {
  return whereItEnded(before ?? parseCheckpoint(key, undefined));
}

function whereItEnded({ sequence, created, troubles }: CheckpointRecord): Start {
  return { sequence, created, ...(troubles === undefined ? {} : { troubles }) };
}

function fenced(partition: number, epoch: number, now: CheckpointRecord | undefined): DocktorError {
  const why = now === undefined ? "its checkpoint was deleted" : `epoch ${now.epoch} owns it now`;
  return new DocktorError(
    "FENCED",
    `epoch ${epoch} cannot commit partition ${partition} any more: ${why}`,
  );
}
