/**
 * A member of the model. Only the order in which it takes the protocol's steps is the model's; the
 * steps are the library's own. There is no roster: who is declared dead, or lives anew, is off it.
 */
import { isDocktorError } from "../../../src/errors.ts";
import type { StreamPosition } from "../../../src/lease/checkpoint.ts";
import { Lease, type LeaseEntry, releaseRecord } from "../../../src/lease/lease.ts";
import { leaseKey, parseLease, parseSession } from "../../../src/lease/records.ts";
import { declareDead, Session, silenceMs } from "../../../src/lease/session.ts";
import type { Store } from "../../../src/lease/store.ts";
import { type Invariants, PARTITION } from "./invariants.ts";
import type { Mutation } from "./mutations.ts";
import type { MemberClock } from "./time.ts";

/** What a member of the model needs. */
export interface ModelMemberOptions {
  id: string;
  clock: MemberClock;
  ttlMs: number;
  sessions: Store;
  leases: Store;
  /** What its handlers see of the stream, and may look at again. */
  stream: { handle(sequence: number): void; look(): Promise<StreamPosition> };
  invariants: Invariants;
  mutation: Mutation;
  tell: (line: string) => void;
}

/** One member, life after life. */
export class ModelMember {
  readonly id: string;
  readonly #options: ModelMemberOptions;
  #session: Session | undefined;
  /** What it works on. */
  #lease: Lease | undefined;
  #handled = 0;

  constructor(options: ModelMemberOptions) {
    this.id = options.id;
    this.#options = options;
  }

  /** Whether it would start a handler at this moment. */
  get mayStart(): boolean {
    return this.#lease?.trusted() === true;
  }

  /** Whether it trusts its session. */
  get trusted(): boolean {
    return this.#session?.trusted() === true;
  }

  /** The epoch of what it works on; undefined when it owns nothing. */
  get epoch(): number | undefined {
    return this.#lease?.lost.aborted ? undefined : this.#lease?.epoch;
  }

  /** Begins a life, after the one that it had. */
  async join(): Promise<void> {
    const { id: memberId, clock, ttlMs, sessions: store, mutation } = this.#options;
    const previous = this.#session?.incarnation;
    this.#session?.abandon();
    this.#lease = undefined;
    this.#session = await Session.open({
      store,
      clock,
      memberId,
      ttlMs: ttlMs * (mutation.trust ?? 1),
      ...(previous === undefined ? {} : { previous }),
    });
  }

  /** Claims the partition if it is free, an orphan, or left over from a failed step of its own. */
  async claim(): Promise<boolean> {
    return await this.#claimIf((seen) => this.#claimable(seen));
  }

  /** As a neighbour of its owner: claims the partition if that one renews nothing for a TTL. */
  async claimFromSilent(): Promise<boolean> {
    return await this.#claimIf((seen) => this.#fallenSilent(seen));
  }

  async #claimIf(claimable: (seen: LeaseEntry | undefined) => Promise<boolean>): Promise<boolean> {
    return await this.#try(async () => {
      const seen = await this.#seen();
      if (!(await claimable(seen))) return false;
      const { leases: store, stream, mutation, tell } = this.#options;
      const early = mutation.looksBeforeItReads ? await stream.look() : undefined;
      const lookAtStream = () => (early ? Promise.resolve(early) : stream.look());
      const session = this.#living;
      const lease = await Lease.claim({
        store,
        session,
        partition: PARTITION,
        seen,
        lookAtStream,
        durableSettings: "all 512",
      });
      this.#lease = lease;
      this.#handled = lease.checkpoint.sequence;
      tell(`    ${this.id} owns the partition in epoch ${lease.epoch}, from ${this.#handled}`);
      return true;
    });
  }

  /** Handles one more message, and commits it. */
  async handle(): Promise<boolean> {
    const { invariants, tell, stream } = this.#options;
    const lease = this.#lease;
    if (!lease?.trusted()) return false;
    const sequence = ++this.#handled;
    stream.handle(sequence);
    return await this.#try(async () => {
      await lease.commit(sequence);
      tell(`    ${this.id}'s commit of ${sequence} in epoch ${lease.epoch} is acknowledged`);
      invariants.committed(lease.epoch, sequence);
      return true;
    });
  }

  /** Stops, and gives the partition to `next`; when that fails it frees what is still in its name. */
  async release(next: string, mark: { prepared?: string } = {}): Promise<void> {
    const lease = this.#lease;
    if (lease === undefined) return;
    if (!this.#options.mutation.startsWhileReleasing) this.#lease = undefined;
    if (!(await this.#try(async () => (await lease.release(next, mark)) > 0))) {
      await this.freeStray(next);
    }
    this.#lease = undefined;
  }

  /** Frees the partition if a step that failed has left it in this life's name. */
  async freeStray(next: string): Promise<void> {
    await this.#try(async () => {
      const seen = await this.#seen();
      if (seen?.record.incarnation !== this.#living.incarnation) return false;
      const { epoch } = seen.record;
      await releaseRecord(this.#options.leases, PARTITION, epoch, next, seen.revision);
      return true;
    });
  }

  get #living(): Session {
    if (this.#session === undefined) throw new Error(`${this.id} has not joined`);
    return this.#session;
  }

  async #seen(): Promise<LeaseEntry | undefined> {
    const entry = await this.#options.leases.get(leaseKey(PARTITION));
    return entry && { record: parseLease(entry.key, entry.value), revision: entry.revision };
  }

  /** A member with another incarnation now has lost the life that owns the lease. */
  async #claimable(seen: LeaseEntry | undefined): Promise<boolean> {
    const { owner, incarnation } = seen?.record ?? {};
    if (owner === undefined || incarnation === undefined) return true;
    if (owner === this.id || this.#options.mutation.asksNobody) return true;
    const { sessions } = this.#options;
    if (await declareDead(sessions, owner, incarnation)) return true;
    const entry = await sessions.get(owner);
    return entry !== undefined && parseSession(owner, entry.value).incarnation !== incarnation;
  }

  /** Has seen the owner's session, and sees nothing more of it for as long as a neighbour waits, whatever it does. */
  async #fallenSilent(seen: LeaseEntry | undefined): Promise<boolean> {
    const { owner, incarnation } = seen?.record ?? {};
    const { sessions, clock, ttlMs, mutation } = this.#options;
    if (owner === undefined || incarnation === undefined) return true;
    const renewal = await sessions.get(owner);
    if (renewal === undefined) return false;
    await clock.sleep(silenceMs(ttlMs) * (mutation.patience ?? 1));
    return await declareDead(sessions, owner, incarnation, renewal.revision);
  }

  /** Takes a step that may fail as the protocol foresees. */
  async #try(step: () => Promise<boolean>): Promise<boolean> {
    try {
      return await step();
    } catch (error) {
      if (!isDocktorError(error)) throw error;
      this.#options.tell(`    ${this.id} fails: ${error.code}`);
      return false;
    }
  }
}
