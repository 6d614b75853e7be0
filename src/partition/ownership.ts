/**
 * What a member owns, and the steps that change it: claim, release, cut off. Each step ends in
 * a compare-and-set. Which one is due is for the rebalancer to say.
 */
import { type Clock, inTime, slept } from "../clock.ts";
import { DocktorError, isDocktorError, toDocktorError } from "../errors.ts";
import type { LookAtStream } from "../lease/checkpoint.ts";
import { isPrepared, Lease, type ReleaseMark, releaseRecord } from "../lease/lease.ts";
import type { Session } from "../lease/session.ts";
import type { Store } from "../lease/store.ts";
import type { GroupView } from "../lease/view.ts";
import type { SpareMaker } from "./spares.ts";

/** How long to wait before trying again what the server did not answer. */
const RETRY_MS = 250;

/** Work that is expected: its partition is being claimed. */
export interface Expected {
  /** As {@link PartitionWork.start}. */
  start(lease: Lease): Promise<void>;
  /** It comes to nothing: the partition is not claimed, or work on it did not start. */
  close(): void;
}

/** What a member does with its partitions. */
export interface PartitionWork extends SpareMaker {
  /** The settings of the durables that it makes: another owner's do only if they are the same. */
  readonly durableSettings: string;
  /**
   * Asks for the messages of a partition that is being claimed: the owner before has made this epoch's
   * durable. None is handled before the start.
   */
  expect(partition: number, epoch: number): Expected;
  /** Starts work on a partition just claimed. When it throws, the lease is lost and tried again. */
  start(lease: Lease): Promise<void>;
  /**
   * Makes the next epoch's durable and looks at the stream, while work goes on; returns whether the next owner
   * need look at neither. Never rejects.
   */
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

/** What owning partitions needs. */
export interface OwnershipOptions {
  clock: Clock;
  store: Store;
  session: Session;
  view: GroupView;
  /** How long a hand-over waits for what is under way, in milliseconds. */
  drainTimeoutMs: number;
  lookAtStream: LookAtStream;
  work: PartitionWork;
  onError: (error: DocktorError) => void;
}

/** The partitions of one member, for the life of one session. */
export class Ownership {
  readonly #options: OwnershipOptions;
  /** Called when a step has ended or a lease was lost, so that another step may be due. */
  readonly #onChange: () => void;
  readonly #owned = new Map<number, Lease>();
  /** Partitions with a step under way. */
  readonly #busy = new Set<number>();
  /** The revision of this member's own last write to a lease, which the view may not show yet. */
  readonly #written = new Map<number, number>();
  readonly #stopped = new AbortController();

  constructor(options: OwnershipOptions, onChange: () => void) {
    this.#options = options;
    this.#onChange = onChange;
  }

  /** The partitions owned now, sorted. */
  get partitions(): number[] {
    return [...this.#owned.keys()].sort((a, b) => a - b);
  }

  /** Whether a step is under way, on any partition. */
  get busy(): boolean {
    return this.#busy.size > 0;
  }

  /** The lease of a partition that is owned now. */
  leaseOf(partition: number): Lease | undefined {
    return this.#owned.get(partition);
  }

  /** Whether a step on the partition may be decided: none is under way, and the view shows the last. */
  ready(partition: number): boolean {
    const written = this.#written.get(partition) ?? 0;
    const seen = this.#options.view.lease(partition)?.revision ?? 0;
    return !this.#busy.has(partition) && seen >= written;
  }

  /** In our name by the record, although we do not work on it: left over from a step that failed. */
  isStray(partition: number): boolean {
    const { view, session } = this.#options;
    const record = view.lease(partition)?.record;
    return record?.incarnation === session.incarnation && !this.#owned.has(partition);
  }

  /** Claims the partition and starts work on it. */
  claim(partition: number): void {
    void this.#run(partition, () => this.#claim(partition));
  }

  /**
   * Ends work in good order, or at once when that takes too long, and frees the partition for whoever is
   * next by then.
   */
  release(lease: Lease, nextOwner: () => string | undefined): void {
    void this.#run(lease.partition, () => this.#release(lease, nextOwner));
  }

  /** Frees a stray partition for `next`: there is no work to end. */
  releaseStray(partition: number, next: string | undefined): void {
    void this.#run(partition, () => this.#releaseStray(partition, next));
  }

  /** Ends work at once and frees the partition for `next`; nothing if it is given up already. */
  cutOff(lease: Lease, reason: DocktorError, next: string, mark: ReleaseMark): void {
    const { partition } = lease;
    if (this.#owned.get(partition) !== lease || this.#busy.has(partition)) return;
    void this.#run(partition, () => this.#cutOff(lease, reason, next, mark));
  }

  /**
   * Loses every partition still owned, for that reason. A step under way ends by itself, without
   * effect on this member.
   */
  abort(reason: DocktorError): void {
    this.#stopped.abort();
    const leases = [...this.#owned.values()];
    this.#owned.clear();
    for (const lease of leases) this.#lose(lease, reason);
  }

  /** Lets go of leases that are lost, or that the view shows in other hands. */
  dropFenced(): void {
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
    let expected: Expected | undefined;
    try {
      const { durableSettings } = work;
      const seen = view.lease(partition);
      // Beside the claim, as a hand-over is as long as its round trips.
      if (seen !== undefined && isPrepared(seen, session.memberId, durableSettings)) {
        expected = work.expect(partition, seen.record.epoch + 1);
      }
      const options = { store, session, partition, seen, lookAtStream, durableSettings };
      lease = await Lease.claim(options);
      this.#written.set(partition, lease.revision);
      if (this.#stopped.signal.aborted) return expected?.close();
      this.#owned.set(partition, lease);
      lease.lost.addEventListener("abort", this.#onChange, { once: true });
      await (expected ?? work).start(lease);
    } catch (error) {
      expected?.close();
      const known = toDocktorError(error);
      const owned = this.#owned.delete(partition);
      // Given up meanwhile, which was told with the reason.
      if (!owned && lease?.lost.aborted === true) return;
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

  async #release(lease: Lease, nextOwner: () => string | undefined): Promise<void> {
    const { clock, session, work, drainTimeoutMs } = this.#options;
    const { partition } = lease;
    try {
      const planned = nextOwner();
      const moves = planned !== undefined && planned !== session.memberId;
      const prepared = moves && (await inTime(clock, drainTimeoutMs, work.prepare(lease)));
      const begunAt = clock.now();
      // What is cut off fails to commit later, as it should.
      const finished = work.finish(lease).then(() => true);
      if (!(await inTime(clock, drainTimeoutMs, finished)))
        return await this.#cutOff(lease, overdue(lease, drainTimeoutMs), nextOwner(), {});
      if (this.#owned.get(partition) !== lease) return;
      // Others may have come meanwhile: the partition would move once more.
      const next = nextOwner();
      const mark: ReleaseMark = prepared === true ? { prepared: work.durableSettings } : {};
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
    this.#busy.add(partition);
    try {
      await step();
    } catch (error) {
      this.#options.onError(toDocktorError(error));
    }
    this.#busy.delete(partition);
    this.#onChange();
  }
}

function overdue({ partition }: Lease, drainTimeoutMs: number): DocktorError {
  return new DocktorError(
    "DRAIN_TIMEOUT",
    `handlers on partition ${partition} did not finish within ${drainTimeoutMs} ms (drainTimeoutMs): they are aborted, and what they were handling will be handled again`,
  );
}

function fencedBy(lease: Lease, owner: string | undefined): DocktorError {
  return new DocktorError(
    "FENCED",
    `partition ${lease.partition} was taken over${owner === undefined ? "" : ` by ${owner}`} after epoch ${lease.epoch}`,
  );
}
