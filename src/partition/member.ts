/**
 * One life of a member in its group: joins, follows the group, owns its share of the
 * partitions, and leaves. It ends for good when its session is lost; another life
 * starts with another incarnation.
 */
import type { Clock } from "../clock.ts";
import { DocktorError, toDocktorError } from "../errors.ts";
import type { LookAtStream } from "../lease/checkpoint.ts";
import type { Lease } from "../lease/lease.ts";
import { watchLiveness } from "../lease/liveness.ts";
import { NeighbourWatch } from "../lease/neighbour.ts";
import type { MemberState, MemberWork, Roster } from "../lease/records.ts";
import {
  changeRoster,
  endLife,
  type GroupIdentity,
  type Members,
  readRoster,
  withMember,
} from "../lease/roster.ts";
import { Session } from "../lease/session.ts";
import type { SessionStore, Store } from "../lease/store.ts";
import { GroupView } from "../lease/view.ts";
import { type ArrivalObserver, Arrivals } from "./arrivals.ts";
import type { PartitionWork } from "./ownership.ts";
import { Rebalancer } from "./rebalancer.ts";

/** What a member tells about its group. */
interface MemberObserver extends ArrivalObserver {
  rebalanced(members: readonly string[], partitions: readonly number[]): void;
  /** Somebody else has decided that this member is to leave for good. */
  dismissed(): void;
  error(error: DocktorError): void;
}

/** What joining a group needs. */
export interface MemberOptions {
  clock: Clock;
  identity: GroupIdentity;
  sessions: SessionStore;
  leases: Store;
  memberId: string;
  partitions: number;
  /** The TTL to give the group when it has no members; else the group's own holds. */
  ttlMs: number;
  /** The incarnation of this process's life before, if any. */
  previous?: string;
  /** How long the group is to wait for this member's restart, in milliseconds; 0 for not at all. */
  restartDelayMs: number;
  /** How long a hand-over waits for what is under way, in milliseconds. */
  drainTimeoutMs: number;
  lookAtStream: LookAtStream;
  work: PartitionWork;
  /** How much it has done, for whoever scales the group. */
  done?: () => MemberWork;
  observer: MemberObserver;
  signal: AbortSignal;
}

/** A member that has joined. */
export class Member {
  /** Aborts when the session is lost; the reason is a DocktorError. */
  readonly lost: AbortSignal;
  readonly #options: MemberOptions;
  readonly #session: Session;
  readonly #view: GroupView;
  readonly #rebalancer: Rebalancer;
  readonly #arrivals: Arrivals;
  readonly #neighbour: NeighbourWatch;
  readonly #stopped = new AbortController();
  readonly #changed = new Set<() => void>();
  #rebalancedRevision = 0;
  #leaving = false;
  #watching: Promise<void> = Promise.resolve();

  private constructor(options: MemberOptions, session: Session) {
    const { clock, identity, sessions, leases, observer } = options;
    const { partitions, drainTimeoutMs, lookAtStream, work } = options;
    const onError = this.#onError;
    this.#options = options;
    this.#session = session;
    this.lost = session.lost;
    this.#arrivals = new Arrivals(observer);
    this.#view = new GroupView({
      store: leases,
      clock,
      lookMs: Math.max(1_000, session.ttlMs / 5),
      onChange: () => this.#onChange(),
      onError,
    });
    this.#neighbour = new NeighbourWatch({ clock, identity, sessions, leases, session, onError });
    this.#rebalancer = new Rebalancer({
      clock,
      store: leases,
      session,
      view: this.#view,
      partitions,
      drainTimeoutMs,
      lookAtStream,
      work,
      onRebalanced: (revision) => this.#onRebalanced(revision),
      onError,
    });
  }

  /**
   * Joins the group. Resolves when this member sees itself in it.
   *
   * @throws DocktorError MEMBER_ID_IN_USE, GROUP_MISMATCH, SESSION_LOST, TIMEOUT
   */
  static async join(options: MemberOptions): Promise<Member> {
    for (;;) {
      options.signal.throwIfAborted();
      const session = await openSession(options);
      const member = new Member(options, session);
      try {
        const revision = await member.#enter("active");
        if (revision === undefined) continue;
        await member.#follow(revision);
        return member;
      } catch (error) {
        await member.retract();
        throw error;
      }
    }
  }

  /** Takes the join back, as far as it has come and the server answers. Never rejects. */
  async retract(): Promise<void> {
    await this.#stop();
    await this.#leave().catch(() => undefined);
    await this.#session.end();
  }

  /** Names this life of the member; the next one has another. */
  get incarnation(): string {
    return this.#session.incarnation;
  }

  /** The TTL that the group runs on, in milliseconds. */
  get ttlMs(): number {
    return this.#session.ttlMs;
  }

  /** The partitions owned now, sorted. */
  get owned(): number[] {
    return this.#rebalancer.owned;
  }

  /** Takes a partition anew from its checkpoint, under the next epoch. */
  reclaim(lease: Lease): void {
    this.#rebalancer.reclaim(lease);
  }

  /** Gives a partition to another member, if there is one, although work is under way on it. */
  cutOff(lease: Lease, reason: DocktorError): void {
    this.#rebalancer.cutOff(lease, reason);
  }

  /** Follows the group through a new watch, as after a reconnect. */
  refresh(): void {
    this.#view.refresh();
  }

  /**
   * Hands every partition over, then leaves the group. A member that may be restarted frees its
   * partitions for itself instead, and keeps its place.
   */
  async drain(): Promise<void> {
    this.#leaving = true;
    try {
      const restarts = this.#options.restartDelayMs > 0;
      const revision = (await this.#enter(restarts ? "restarting" : "draining")) ?? 0;
      await this.#until(() => this.#rebalancedRevision >= revision && this.#rebalancer.idle);
      await this.#leave();
      // The view may not live to show it.
      this.#arrivals.end(this.#options.memberId);
    } finally {
      await this.#stop();
      await this.#session.end();
    }
  }

  /** Stops now: partitions are lost for `reason`, and the session is left to expire. */
  abandon(reason: DocktorError): void {
    this.#rebalancer.abort(reason);
    this.#session.abandon();
    void this.#stop();
  }

  /** Writes this member's state to the roster; undefined when the group runs on another TTL. */
  async #enter(state: MemberState): Promise<number | undefined> {
    const { leases, identity, memberId, restartDelayMs } = this.#options;
    const { incarnation, ttlMs } = this.#session;
    let mismatch = false;
    const revision = await changeRoster(leases, identity, (roster) => {
      mismatch = roster !== undefined && hasOthers(roster, memberId) && roster.ttlMs !== ttlMs;
      if (mismatch) return undefined;
      const known = roster?.members[memberId];
      const before = known?.incarnation === incarnation ? known : undefined;
      const base: Roster = { ...identity, members: {}, ...roster, ttlMs };
      return withMember(base, memberId, {
        incarnation,
        // Somebody else may have decided meanwhile that this member is to leave for good.
        state: before?.state === "draining" ? "draining" : state,
        startedAt: before?.startedAt ?? Date.now(),
        ...(restartDelayMs === 0 ? {} : { restartDelayMs }),
      });
    });
    if (!mismatch) return revision;
    await this.#session.end();
    return undefined;
  }

  /** Takes this life of the member off the roster, unless it may be restarted. */
  async #leave(): Promise<void> {
    const { leases, identity, memberId } = this.#options;
    await changeRoster(leases, identity, (roster) => endLife(roster, memberId, this.incarnation));
  }

  async #follow(revision: number): Promise<void> {
    const { clock, identity, sessions, leases } = this.#options;
    this.#view.start();
    await this.#until(() => this.#view.current && this.#view.revision >= revision);
    const session = this.#session;
    const members = (): Members => this.#view.members;
    const onError = this.#onError;
    this.#watching = watchLiveness(
      { clock, identity, sessions, leases, session, members, onError },
      this.#stopped.signal,
    );
  }

  async #stop(): Promise<void> {
    this.#stopped.abort();
    this.#neighbour.stop();
    const left = new DocktorError("CLOSED", `member ${this.#options.memberId} left the group`);
    this.#rebalancer.abort(this.lost.aborted ? toDocktorError(this.lost.reason) : left);
    await Promise.all([this.#view.stop(), this.#watching]);
  }

  readonly #onError = (error: unknown): void => {
    this.#options.observer.error(toDocktorError(error));
  };

  #onChange(): void {
    this.#arrivals.see(this.#view.members);
    if (!this.#stopped.signal.aborted) this.#neighbour.follow(this.#view.members);
    this.#rebalancer.evaluate();
    this.#wake();
    this.#heedDismissal();
  }

  /** Leaves when the roster says so and this member has not: whoever scales the group down writes that. */
  #heedDismissal(): void {
    const { memberId, observer } = this.#options;
    const { incarnation, state } = this.#view.members[memberId] ?? {};
    if (this.#leaving || incarnation !== this.incarnation || state !== "draining") return;
    this.#leaving = true;
    observer.dismissed();
  }

  #onRebalanced(revision: number): void {
    this.#rebalancedRevision = revision;
    const members = Object.keys(this.#view.members).sort();
    this.#options.observer.rebalanced(members, this.#rebalancer.owned);
    this.#wake();
  }

  #wake(): void {
    for (const check of this.#changed) check();
  }

  /** Resolves once the condition holds; rejects when the session is lost or the caller aborts. */
  async #until(condition: () => boolean): Promise<void> {
    const { signal } = this.#options;
    const { lost } = this;
    await new Promise<void>((resolve, reject) => {
      const end = (settle: () => void): void => {
        this.#changed.delete(check);
        lost.removeEventListener("abort", check);
        signal.removeEventListener("abort", check);
        settle();
      };
      const check = (): void => {
        if (lost.aborted) end(() => reject(lost.reason));
        else if (signal.aborted) end(() => reject(signal.reason));
        else if (condition()) end(resolve);
      };
      this.#changed.add(check);
      lost.addEventListener("abort", check);
      signal.addEventListener("abort", check);
      check();
    });
  }
}

/** Opens a session with the TTL that the group runs on. */
async function openSession(options: MemberOptions): Promise<Session> {
  const { clock, identity, sessions, leases, memberId, previous, done, signal } = options;
  const current = (await readRoster(leases, identity))?.roster;
  // This id's own entry counts, too: its life may still be alive, on that TTL.
  const used = current !== undefined && Object.keys(current.members).length > 0;
  const ttlMs = used ? current.ttlMs : options.ttlMs;
  await sessions.setTtl(ttlMs);
  return await Session.open({
    store: sessions,
    clock,
    memberId,
    ttlMs,
    signal,
    ...(previous === undefined ? {} : { previous }),
    ...(done === undefined ? {} : { work: done }),
  });
}

function hasOthers(roster: Roster, memberId: string): boolean {
  return Object.keys(roster.members).some((id) => id !== memberId);
}
