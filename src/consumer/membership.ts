/** A consumer's place in its group, kept: it joins again whenever its session is lost. */
import { aborted, slept, systemClock } from "../clock.ts";
import { type DocktorError, toDocktorError } from "../errors.ts";
import type { Tell } from "../events.ts";
import type { Lease } from "../lease/lease.ts";
import { patiently } from "../nats/patience.ts";
import { Member } from "../partition/member.ts";
import type { ConsumerSettings } from "./options.ts";
import type { Resources } from "./resources.ts";
import type { Workload } from "./workload.ts";

/** How long to wait before a member whose session was lost tries again to join. */
const REJOIN_MS = 250;

/** What a membership needs. */
export interface MembershipOptions {
  settings: ConsumerSettings;
  resources: Resources;
  workload: Workload;
  tell: Tell;
  onError: (error: DocktorError) => void;
  /** The session was lost; another life is on its way. */
  onLost: (reason: DocktorError) => void;
  onRejoined: () => void;
  /** Somebody else has decided that this member is to leave for good. */
  onDismissed: () => void;
  /** Aborts when the consumer stops at once. */
  stopped: AbortSignal;
}

/** One member after another, under the same id. */
export class Membership {
  readonly #options: MembershipOptions;
  #entering: Promise<unknown> = Promise.resolve();
  #member: Member | undefined;
  #leaving = false;

  constructor(options: MembershipOptions) {
    this.#options = options;
  }

  /** The partitions owned now, sorted. */
  get owned(): readonly number[] {
    return this.#member?.owned ?? [];
  }

  /** The TTL that the group runs on, in milliseconds; undefined before the first join. */
  get ttlMs(): number | undefined {
    return this.#member?.ttlMs;
  }

  /**
   * Joins for the first time, and from then on again after each lost session.
   *
   * @throws DocktorError of the first join
   */
  async join(): Promise<void> {
    const { stopped, onError } = this.#options;
    const patience = { signal: stopped, onTimeout: onError };
    const member = await patiently(patience, () => this.#enter());
    void this.#stay(member);
  }

  /**
   * Takes a join back that was stopped, or has succeeded in that moment; and, of a member on its way back
   * into the group, what its life before has left.
   */
  async retract(): Promise<void> {
    this.#leaving = true;
    await this.#entering;
    await this.#member?.retract();
  }

  /** Takes a partition anew from its checkpoint, under the next epoch. */
  reclaim(lease: Lease): void {
    this.#member?.reclaim(lease);
  }

  /** Gives a partition to another member, if there is one, although handlers are under way on it. */
  cutOff(lease: Lease, reason: DocktorError): void {
    this.#member?.cutOff(lease, reason);
  }

  /** Follows the group through a new watch, as after a reconnect. */
  refresh(): void {
    this.#member?.refresh();
  }

  /** Hands every partition over and leaves the group, or keeps its place for a restart. */
  async drain(): Promise<void> {
    this.#leaving = true;
    await this.#member?.drain();
  }

  /** Stops now: partitions are lost for `reason`, and the session is left to expire. */
  abandon(reason: DocktorError): void {
    this.#leaving = true;
    this.#member?.abandon(reason);
  }

  #enter(previous?: string): Promise<Member> {
    const entering = this.#joinGroup(previous);
    this.#entering = entering.catch(() => undefined);
    return entering;
  }

  async #joinGroup(previous: string | undefined): Promise<Member> {
    const { settings, resources, workload, tell, onError, onDismissed, stopped } = this.#options;
    const { stream, subject, group, memberId, ttlMs, restartDelayMs, drainTimeoutMs } = settings;
    const member = await Member.join({
      clock: systemClock,
      identity: { stream, subject, group },
      sessions: resources.sessions,
      leases: resources.leases,
      memberId,
      partitions: resources.partitions,
      ttlMs,
      restartDelayMs,
      drainTimeoutMs,
      ...(previous === undefined ? {} : { previous }),
      lookAtStream: (known) => workload.lookAtStream(known),
      work: workload,
      done: () => workload.done(),
      observer: {
        joined: (id) => tell("member:joined", { memberId: id, self: id === memberId }),
        left: (id) => tell("member:left", { memberId: id, self: id === memberId }),
        rebalanced: (members, partitions) => tell("rebalance", { members, partitions }),
        dismissed: onDismissed,
        error: onError,
      },
      signal: stopped,
    });
    // Stopped at the very moment it was in.
    if (stopped.aborted) {
      await member.retract();
      throw stopped.reason;
    }
    this.#member = member;
    return member;
  }

  async #stay(first: Member): Promise<void> {
    const { stopped, onLost, onRejoined } = this.#options;
    for (let member = first; ; ) {
      await aborted(member.lost);
      if (this.#leaving || stopped.aborted) return;
      const reason = toDocktorError(member.lost.reason);
      onLost(reason);
      member.abandon(reason);
      // Whoever was told may have drained or closed the consumer.
      if (this.#leaving || stopped.aborted) return;
      const next = await this.#enterAgain(member.incarnation);
      if (next === undefined) return;
      member = next;
      onRejoined();
    }
  }

  async #enterAgain(previous: string): Promise<Member | undefined> {
    const { stopped, onError } = this.#options;
    do {
      try {
        return await this.#enter(previous);
      } catch (error) {
        if (stopped.aborted) return undefined;
        onError(toDocktorError(error));
      }
    } while (await slept(systemClock, REJOIN_MS, stopped));
    return undefined;
  }
}
