/**
 * One member's part in a rebalance: it compares what it owns with what the assignment
 * gives it, releases the surplus and claims the rest. There is no leader; a wrong view
 * costs a lost compare-and-set and nothing more.
 */
import { type Clock, slept } from "../clock.ts";
import { DocktorError, isDocktorError, toDocktorError } from "../errors.ts";
import { Lease, type ReleaseMark, releaseRecord } from "../lease/lease.ts";
import type { StreamPosition } from "../lease/checkpoint.ts";
import type { Session } from "../lease/session.ts";
import type { Store } from "../lease/store.ts";
import type { GroupView } from "../lease/view.ts";
import { type Assignment, assign, leastLoaded } from "./assignment.ts";

/** How long to wait before trying again what the server did not answer. */
const RETRY_MS = 250;

/** What a member does with its partitions. */
export interface PartitionWork {
  /** Starts work on a partition just claimed. When it throws, the lease is lost and tried again. */
  start(lease: Lease): Promise<void>;
  /** Makes the next epoch's durable, while work goes on; returns whether it could. Never rejects. */
  prepare(lease: Lease): Promise<boolean>;
  /** Ends work in good order: finishes what is under way and commits it. */
  finish(lease: Lease): Promise<void>;
  /** Commits what is handled so far. */
  flush(lease: Lease): Promise<void>;
  /**
   * The partition was handed over to `next`, or is free for anyone; `durationMs` since no
   * further handler was started.
   */
  released(lease: Lease, next: string | undefined, durationMs: number): void;
  /** Ends work at once: the lease is lost. */
  abort(lease: Lease, reason: DocktorError): void;
}

/** What a rebalancer needs. */
export interface RebalancerOptions {
  clock: Clock;
  store: Store;
  session: Session;
  view: GroupView;
  partitions: number;
  /** How long a hand-over waits for what is under way, in milliseconds. */
  drainTimeoutMs: number;
  lookAtStream: () => Promise<StreamPosition>;
  work: PartitionWork;
  /** Called when this member has nothing left to claim or release under the roster of that revision. */
  onSettled: (rosterRevision: number) => void;
  onError: (error: DocktorError) => void;
}

/** Claims and releases this member's partitions for the life of one session. */
export class Rebalancer {
  readonly #options: RebalancerOptions;
  readonly #owned = new Map<number, Lease>();
  /** Partitions with a claim or a release under way. */
  readonly #busy = new Map<number, Promise<void>>();
  /** Leases to be given up and claimed anew. */
  readonly #interrupted = new WeakSet<Lease>();
  /** The revision of this member's own last write to a lease, which the view may not show yet. */
  readonly #written = new Map<number, number>();
  readonly #stopped = new AbortController();
  #scheduled = false;
  #settledRevision = 0;

  constructor(options: RebalancerOptions) {
    this.#options = options;
  }

  /** The partitions owned now, sorted. */
  get owned(): number[] {
    return [...this.#owned.keys()].sort((a, b) => a - b);
  }

  /** Whether it owns nothing and has nothing under way. */
  get idle(): boolean {
    return this.#owned.size === 0 && this.#busy.size === 0;
  }

  /** Compares and acts, soon; calls in between are taken together. */
  evaluate(): void {
    if (this.#scheduled || this.#stopped.signal.aborted) return;
    this.#scheduled = true;
    setImmediate(() => {
      this.#scheduled = false;
      if (!this.#stopped.signal.aborted) this.#act();
    });
  }

  /**
   * Gives the partition up and takes it again under the next epoch: for a member whose
   * deliveries were interrupted, so that it starts anew from its checkpoint.
   */
  reclaim(lease: Lease): void {
    if (this.#owned.get(lease.partition) !== lease) return;
    this.#interrupted.add(lease);
    this.evaluate();
  }

  /**
   * Gives the partition to another member although work is under way on it, which is aborted.
   * Nothing happens where there is no other member.
   */
  surrender(lease: Lease, reason: DocktorError): void {
    const { partition } = lease;
    const next = this.#another();
    if (next === undefined || this.#owned.get(partition) !== lease || this.#busy.has(partition)) {
      return;
    }
    const shunnedBy = this.#options.session.memberId;
    void this.#run(partition, () => this.#cutOff(lease, reason, next, { shunnedBy }));
  }

  /**
   * Stops at once; every partition still owned is lost for that reason. A claim or release
   * under way ends by itself, without effect on this member.
   */
  abort(reason: DocktorError): void {
    this.#stopped.abort();
    const leases = [...this.#owned.values()];
    this.#owned.clear();
    for (const lease of leases) this.#lose(lease, reason);
  }

  #act(): void {
    const { view, session } = this.#options;
    if (!view.current || !session.trusted()) return;
    if (!view.has(session.memberId, session.incarnation)) return;
    this.#dropFenced();
    const plan = this.#plan();
    for (const [partition, owner] of plan.entries()) {
      if (this.#busy.has(partition) || this.#viewLags(partition)) continue;
      const step = this.#stepFor(partition, owner);
      if (step !== undefined) void this.#run(partition, step);
    }
    this.#reportSettled(plan);
  }

  /** What this member has to do about a partition, if anything. */
  #stepFor(partition: number, owner: string | undefined): (() => Promise<void>) | undefined {
    const { memberId } = this.#options.session;
    const lease = this.#owned.get(partition);
    if (owner === memberId) {
      if (lease === undefined)
        return this.#claimable(partition) ? () => this.#claim(partition) : undefined;
      return this.#interrupted.has(lease) ? () => this.#release(lease, memberId) : undefined;
    }
    if (lease !== undefined) return () => this.#release(lease, owner);
    return this.#isStray(partition) ? () => this.#releaseStray(partition, owner) : undefined;
  }

  #plan(): Assignment {
    const { view, partitions } = this.#options;
    return assign({
      partitions,
      members: this.#active,
      ownerOf: (partition) => {
        const record = view.lease(partition)?.record;
        return record?.owner ?? record?.next;
      },
      shunnedBy: (partition) => view.lease(partition)?.record.shunnedBy,
    });
  }

  /** The members that can own partitions. */
  get #active(): string[] {
    const members = Object.entries(this.#options.view.members);
    return members.filter(([, { state }]) => state === "active").map(([id]) => id);
  }

  /** The other member with the fewest partitions. */
  #another(): string | undefined {
    const { memberId } = this.#options.session;
    const others = this.#active.filter((id) => id !== memberId);
    return leastLoaded(this.#plan(), others);
  }

  /** Whether this member wrote the lease since the view saw it. */
  #viewLags(partition: number): boolean {
    const written = this.#written.get(partition) ?? 0;
    return (this.#options.view.lease(partition)?.revision ?? 0) < written;
  }

  /** Free, or its owner's life is over, or left over from a step of ours that failed. */
  #claimable(partition: number): boolean {
    const { view } = this.#options;
    const record = view.lease(partition)?.record;
    if (record?.owner === undefined || this.#isStray(partition)) return true;
    return !view.has(record.owner, record.incarnation);
  }

  /** In our name by the record, although we do not work on it. */
  #isStray(partition: number): boolean {
    const { view, session } = this.#options;
    const record = view.lease(partition)?.record;
    return record?.incarnation === session.incarnation && !this.#owned.has(partition);
  }

  /** Lets go of leases that are lost, or that the view shows in other hands. */
  #dropFenced(): void {
    for (const lease of this.#owned.values()) {
      const { partition } = lease;
      const record = this.#options.view.lease(partition)?.record;
      const replaced = record !== undefined && record.epoch > lease.epoch;
      if (!replaced && !lease.lost.aborted) continue;
      const reason = replaced ? fencedBy(lease, record.owner) : toDocktorError(lease.lost.reason);
      // A claim or release under way notices and cleans up by itself.
      if (this.#busy.has(partition)) lease.lose(reason);
      else {
        this.#owned.delete(partition);
        this.#lose(lease, reason);
      }
    }
  }

  async #claim(partition: number): Promise<void> {
    const { store, session, view, work, lookAtStream } = this.#options;
    let lease: Lease | undefined;
    try {
      const seen = view.lease(partition);
      lease = await Lease.claim({ store, session, partition, seen, lookAtStream });
      this.#written.set(partition, lease.revision);
      if (this.#stopped.signal.aborted) return;
      this.#owned.set(partition, lease);
      lease.lost.addEventListener("abort", () => this.evaluate(), { once: true });
      await work.start(lease);
    } catch (error) {
      const known = toDocktorError(error);
      const owned = this.#owned.delete(partition);
      // Another member was first: its change is on its way to the view.
      if (!owned && (known.code === "CONFLICT" || known.code === "FENCED")) return;
      if (owned && lease !== undefined) this.#lose(lease, known);
      await this.#failed(known);
    }
  }

  /** Ends work at once, after a commit of what is handled, and gives the partition to `next`. */
  async #cutOff(
    lease: Lease,
    reason: DocktorError,
    next: string | undefined,
    mark: ReleaseMark,
  ): Promise<void> {
    try {
      await this.#options.work.flush(lease);
    } catch (error) {
      this.#options.onError(toDocktorError(error));
    }
    if (!this.#owned.delete(lease.partition)) return;
    this.#lose(lease, reason);
    try {
      this.#written.set(lease.partition, await lease.release(next, mark));
    } catch (error) {
      if (!isDocktorError(error, "FENCED")) await this.#failed(toDocktorError(error));
    }
  }

  /** Whether the work has ended in good order, and in time. */
  async #finished(lease: Lease): Promise<boolean> {
    const { clock, work, drainTimeoutMs } = this.#options;
    const inTime = new AbortController();
    const finishing = work.finish(lease).then(() => true);
    try {
      return await Promise.race([
        finishing,
        slept(clock, drainTimeoutMs, inTime.signal).then(() => false),
      ]);
    } finally {
      inTime.abort();
      // What is cut off fails to commit later, as it should.
      finishing.catch(() => undefined);
    }
  }

  async #release(lease: Lease, next: string | undefined): Promise<void> {
    const { clock, session, work } = this.#options;
    const { partition } = lease;
    try {
      const moves = next !== undefined && next !== session.memberId;
      const prepared = moves && (await work.prepare(lease));
      const begunAt = clock.now();
      if (!(await this.#finished(lease)))
        return await this.#cutOff(lease, overdue(lease), next, {});
      if (this.#owned.get(partition) !== lease) return;
      const mark: ReleaseMark = prepared ? { prepared } : {};
      this.#written.set(partition, await lease.release(next, mark));
      if (this.#owned.delete(partition)) work.released(lease, next, clock.now() - begunAt);
    } catch (error) {
      if (!this.#owned.delete(partition)) return;
      const known = toDocktorError(error);
      this.#lose(lease, known);
      if (known.code !== "FENCED") await this.#failed(known);
    }
  }

  async #releaseStray(partition: number, next: string | undefined): Promise<void> {
    const seen = this.#options.view.lease(partition);
    if (seen === undefined) return;
    try {
      const { epoch } = seen.record;
      const revision = await releaseRecord(
        this.#options.store,
        partition,
        epoch,
        next,
        seen.revision,
      );
      this.#written.set(partition, revision);
    } catch (error) {
      if (!isDocktorError(error, "CONFLICT")) await this.#failed(toDocktorError(error));
    }
  }

  /** Reports a failed step and keeps its partition busy for a while before the next try. */
  async #failed(error: DocktorError): Promise<void> {
    this.#options.onError(error);
    await slept(this.#options.clock, RETRY_MS, this.#stopped.signal);
  }

  #lose(lease: Lease, reason: DocktorError): void {
    lease.lose(reason);
    this.#options.work.abort(lease, reason);
  }

  async #run(partition: number, step: () => Promise<void>): Promise<void> {
    const running = step().catch((error: unknown) => this.#options.onError(toDocktorError(error)));
    this.#busy.set(partition, running);
    await running;
    this.#busy.delete(partition);
    this.evaluate();
  }

  #reportSettled(plan: Assignment): void {
    const { view, session, onSettled } = this.#options;
    if (this.#busy.size > 0 || this.#settledRevision === view.rosterRevision) return;
    const due = plan.filter((owner) => owner === session.memberId).length;
    if (due !== this.#owned.size) return;
    this.#settledRevision = view.rosterRevision;
    onSettled(view.rosterRevision);
  }
}

function overdue({ partition }: Lease): DocktorError {
  return new DocktorError(
    "DRAIN_TIMEOUT",
    `handlers on partition ${partition} did not finish within drainTimeoutMs: they are aborted, and what they were handling will be handled again`,
  );
}

function fencedBy(lease: Lease, owner: string | undefined): DocktorError {
  return new DocktorError(
    "FENCED",
    `partition ${lease.partition} was taken over${owner === undefined ? "" : ` by ${owner}`} after epoch ${lease.epoch}`,
  );
}
