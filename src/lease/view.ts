/**
 * What a member knows of its group: the roster and every lease, followed through one
 * watch and so in the order in which they were written.
 */
import { type Clock, slept } from "../clock.ts";
import { type DocktorError, toDocktorError } from "../errors.ts";
import type { LeaseEntry } from "./lease.ts";
import {
  LEASE_FILTER,
  parseLease,
  parseRoster,
  partitionOfLeaseKey,
  ROSTER_KEY,
} from "./records.ts";
import type { Members } from "./roster.ts";
import type { Entry, Store } from "./store.ts";

/** How long to wait before a broken watch is opened again. */
const RETRY_MS = 250;

/** How often it is looked whether the watch has missed something. */
const LOOK_MS = 1_000;
/** But no more often than this for each member: 20 times a second for all of them. */
const LOOK_MS_PER_MEMBER = 50;

/** What following the group needs. */
export interface ViewOptions {
  store: Store;
  clock: Clock;
  /**
   * How often to look whether the watch has missed something, in milliseconds; less often with many members.
   * Default 1,000.
   */
  lookMs?: number;
  /** Called after every change. */
  onChange: () => void;
  /** Called when the watch broke; it is opened again unless the error is not retriable. */
  onError: (error: DocktorError) => void;
}

/** A member's view of its group. It may lag behind, but never runs backwards. */
export class GroupView {
  readonly #options: ViewOptions;
  readonly #stopped = new AbortController();
  readonly #leases = new Map<number, LeaseEntry>();
  #watch = new AbortController();
  #current = false;
  #members: Members = {};
  #rosterRevision = 0;
  #revision = 0;
  #following: Promise<unknown> | undefined;

  constructor(options: ViewOptions) {
    this.#options = options;
  }

  /** The members by id. */
  get members(): Members {
    return this.#members;
  }

  /** The revision of the roster that {@link members} shows. */
  get rosterRevision(): number {
    return this.#rosterRevision;
  }

  /**
   * Whether leases and roster fit each other. A watch that is opened anew shows the newest of each,
   * older leases before a newer roster: until the roster has come, a lease's owner may seem to be
   * missing from it.
   */
  get current(): boolean {
    return this.#current;
  }

  /** Everything up to this revision has been seen. */
  get revision(): number {
    return this.#revision;
  }

  /** The partition's lease as it was last seen; undefined if it never had an owner. */
  lease(partition: number): LeaseEntry | undefined {
    return this.#leases.get(partition);
  }

  /** Whether this life of the member belongs to the group. */
  has(memberId: string, incarnation: string | undefined): boolean {
    return this.#members[memberId]?.incarnation === incarnation;
  }

  /** Starts following. */
  start(): void {
    this.#following = Promise.all([this.#follow(), this.#guard()]);
  }

  /** Opens the watch anew, as after a reconnect, when the server may have forgotten it. */
  refresh(): void {
    this.#current = false;
    this.#watch.abort();
  }

  /** Stops following. */
  async stop(): Promise<void> {
    this.#stopped.abort();
    this.#watch.abort();
    await this.#following;
  }

  async #follow(): Promise<void> {
    const { store, clock, onChange, onError } = this.#options;
    while (!this.#stopped.signal.aborted) {
      this.#watch = new AbortController();
      this.#current = false;
      try {
        for await (const entry of store.watch(LEASE_FILTER, this.#watch.signal)) {
          const wasCurrent = this.#current;
          const isNew = this.#see(entry);
          if (this.#current && (isNew || !wasCurrent)) onChange();
        }
      } catch (error) {
        const known = toDocktorError(error);
        onError(known);
        if (!known.retriable && known.code !== "UNEXPECTED") return;
      }
      if (this.#watch.signal.aborted) continue;
      await slept(clock, RETRY_MS, this.#stopped.signal);
    }
  }

  /**
   * Opens the watch anew when it has not shown for a while what is there: in a cluster it ends without
   * a word together with the node that served it.
   */
  async #guard(): Promise<void> {
    const { store, clock, lookMs = LOOK_MS } = this.#options;
    const pauseMs = (): number =>
      Math.max(lookMs, Object.keys(this.#members).length * LOOK_MS_PER_MEMBER);
    for (let due = 0; await slept(clock, pauseMs(), this.#stopped.signal); ) {
      if (this.#current && this.#revision < due) this.refresh();
      try {
        due = await store.newest(LEASE_FILTER);
      } catch {
        // Whoever waits for an answer of the bucket tells.
      }
    }
  }

  #see(entry: Entry): boolean {
    if (entry.key === ROSTER_KEY) this.#current = true;
    const isNew = entry.key === ROSTER_KEY ? this.#seeRoster(entry) : this.#seeLease(entry);
    this.#revision = Math.max(this.#revision, entry.revision);
    return isNew;
  }

  #seeRoster(entry: Entry): boolean {
    if (entry.revision <= this.#rosterRevision) return false;
    this.#members = entry.value === undefined ? {} : parseRoster(entry.value).members;
    this.#rosterRevision = entry.revision;
    return true;
  }

  #seeLease(entry: Entry): boolean {
    const partition = partitionOfLeaseKey(entry.key);
    if (partition === undefined) return false;
    const known = this.#leases.get(partition);
    if (known !== undefined && entry.revision <= known.revision) return false;
    if (entry.value === undefined) this.#leases.delete(partition);
    else {
      const record = parseLease(entry.key, entry.value);
      this.#leases.set(partition, { record, revision: entry.revision });
    }
    return true;
  }
}
