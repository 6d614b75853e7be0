/**
 * One member's part in a rebalance: it compares what it owns with what the assignment
 * gives it, releases the surplus and claims the rest. There is no leader; a wrong view
 * costs a lost compare-and-set, or one claim more by the same member, and nothing more.
 */
import type { DocktorError } from "../errors.ts";
import type { Lease } from "../lease/lease.ts";
import type { MemberState } from "../lease/records.ts";
import { type Assignment, assign, leastLoaded } from "./assignment.ts";
import { Ownership, type OwnershipOptions } from "./ownership.ts";

/** What a rebalancer needs. */
export interface RebalancerOptions extends OwnershipOptions {
  partitions: number;
  /** Called when this member has nothing left to claim or release under the roster of that revision. */
  onRebalanced: (rosterRevision: number) => void;
}

/** Claims and releases this member's partitions for the life of one session. */
export class Rebalancer {
  readonly #options: RebalancerOptions;
  readonly #ownership: Ownership;
  /** Leases to be given up and claimed anew. */
  readonly #interrupted = new WeakSet<Lease>();
  #stopped = false;
  #scheduled = false;
  #rebalancedRevision = 0;

  constructor(options: RebalancerOptions) {
    this.#options = options;
    this.#ownership = new Ownership(options, () => this.evaluate());
  }

  /** The partitions owned now, sorted. */
  get owned(): number[] {
    return this.#ownership.partitions;
  }

  /** Whether it owns nothing and has nothing under way. */
  get idle(): boolean {
    return this.owned.length === 0 && !this.#ownership.busy;
  }

  /** Compares and acts, soon; calls in between are taken together. */
  evaluate(): void {
    if (this.#scheduled || this.#stopped) return;
    this.#scheduled = true;
    setImmediate(() => {
      this.#scheduled = false;
      if (!this.#stopped) this.#act();
    });
  }

  /**
   * Gives the partition up and takes it again under the next epoch: for a member whose
   * deliveries were interrupted, so that it starts anew from its checkpoint.
   */
  reclaim(lease: Lease): void {
    if (this.#ownership.leaseOf(lease.partition) !== lease) return;
    this.#interrupted.add(lease);
    this.evaluate();
  }

  /**
   * Gives the partition to another member although work is under way on it, which is aborted.
   * Nothing happens where there is no other member.
   */
  cutOff(lease: Lease, reason: DocktorError): void {
    const next = this.#another();
    if (next === undefined) return;
    this.#ownership.cutOff(lease, reason, next, { shunnedBy: this.#options.session.memberId });
  }

  /**
   * Stops at once; every partition still owned is lost for that reason. A claim or release
   * under way ends by itself, without effect on this member.
   */
  abort(reason: DocktorError): void {
    this.#stopped = true;
    this.#ownership.abort(reason);
  }

  #act(): void {
    const { view, session } = this.#options;
    if (!view.current || !session.trusted()) return;
    if (!view.has(session.memberId, session.incarnation)) return;
    this.#ownership.dropFenced();
    const plan = this.#plan();
    for (const [partition, owner] of plan.entries()) {
      if (this.#ownership.ready(partition)) this.#step(partition, owner);
    }
    this.#reportRebalanced(plan);
  }

  /** Takes the step that is due on a partition, if any, when it is to belong to `owner`. */
  #step(partition: number, owner: string | undefined): void {
    // Before a restart everything is freed, for the next process under the same id.
    const isOurs = owner === this.#options.session.memberId && !this.#restarts;
    const lease = this.#ownership.leaseOf(partition);
    if (lease !== undefined) {
      if (!isOurs || this.#interrupted.has(lease)) {
        this.#ownership.release(lease, () => this.#plan()[partition]);
      }
    } else if (isOurs) {
      if (this.#claimable(partition)) this.#ownership.claim(partition);
    } else if (this.#ownership.isStray(partition)) {
      this.#ownership.releaseStray(partition, owner);
    }
  }

  #plan(): Assignment {
    const { view, partitions } = this.#options;
    return assign({
      partitions,
      members: [...this.#idsIn("active"), ...this.#idsIn("restarting")],
      away: new Set(this.#idsIn("restarting")),
      ownerOf: (partition) => {
        const record = view.lease(partition)?.record;
        return record?.owner ?? record?.next;
      },
      shunnedBy: (partition) => view.lease(partition)?.record.shunnedBy,
    });
  }

  /** The ids of the members in that state. */
  #idsIn(wanted: MemberState): string[] {
    const members = Object.entries(this.#options.view.members);
    return members.filter(([, { state }]) => state === wanted).map(([id]) => id);
  }

  /** Whether this member stops, to be started again. */
  get #restarts(): boolean {
    const { view, session } = this.#options;
    return view.members[session.memberId]?.state === "restarting";
  }

  /** The other member with the fewest partitions. */
  #another(): string | undefined {
    const { memberId } = this.#options.session;
    const others = this.#idsIn("active").filter((id) => id !== memberId);
    return leastLoaded(this.#plan(), others);
  }

  /** Free, or its owner's life is over, or left over from a step of ours that failed. */
  #claimable(partition: number): boolean {
    const { view } = this.#options;
    const record = view.lease(partition)?.record;
    if (record?.owner === undefined || this.#ownership.isStray(partition)) return true;
    return !view.has(record.owner, record.incarnation);
  }

  #reportRebalanced(plan: Assignment): void {
    const { view, session, onRebalanced } = this.#options;
    if (this.#ownership.busy || this.#rebalancedRevision === view.rosterRevision) return;
    const due = plan.filter((owner) => owner === session.memberId).length;
    if ((this.#restarts ? 0 : due) !== this.owned.length) return;
    this.#rebalancedRevision = view.rosterRevision;
    onRebalanced(view.rosterRevision);
  }
}
