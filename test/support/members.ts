/** Several members over one store in memory, with time in the test's hands. */
import { DocktorError } from "../../src/errors.ts";
import {
  leaseKey,
  type LeaseRecord,
  type MemberState,
  ROSTER_KEY,
  type Roster,
} from "../../src/lease/records.ts";
import { changeRoster, withMember } from "../../src/lease/roster.ts";
import { Member, type MemberOptions } from "../../src/partition/member.ts";
import { ManualClock } from "./clock.ts";
import { FakeWork } from "./fake-work.ts";
import { MemoryStore } from "./memory-store.ts";

const identity = { stream: "S", subject: "s", group: "G" };

/** A group of members, as processes that start and crash. */
export class Members {
  readonly clock: ManualClock = new ManualClock();
  readonly sessions: MemoryStore;
  readonly leases: MemoryStore;
  readonly #partitions: number;
  readonly #ttlMs: number;
  readonly #works = new Map<string, FakeWork>();
  readonly #started: Member[] = [];

  constructor(options: { partitions: number; ttlMs: number }) {
    this.#partitions = options.partitions;
    this.#ttlMs = options.ttlMs;
    this.sessions = new MemoryStore(this.clock, options.ttlMs);
    this.leases = new MemoryStore(this.clock);
  }

  /** Starts a process under the id. */
  async start(memberId: string, options: Partial<MemberOptions> = {}): Promise<Member> {
    const work = new FakeWork();
    const { clock, sessions, leases } = this;
    const member = await Member.join({
      clock,
      identity,
      sessions,
      leases,
      memberId,
      partitions: this.#partitions,
      ttlMs: this.#ttlMs,
      restartDelayMs: 0,
      drainTimeoutMs: 25_000,
      lookAtStream: () => Promise.resolve({ created: "2026-01-01T00:00:00Z", lastSequence: 100 }),
      work,
      observer: {
        joined: () => {},
        left: () => {},
        rebalanced: () => {},
        dismissed: () => {},
        error: () => {},
      },
      signal: new AbortController().signal,
      ...options,
    });
    this.#works.set(memberId, work);
    this.#started.push(member);
    await this.settled();
    return member;
  }

  /** Starts a process while time passes, as it may have to wait for a session to expire. */
  async startInTime(memberId: string, options: Partial<MemberOptions> = {}): Promise<Member> {
    const starting = this.start(memberId, options);
    await this.clock.advance(this.#ttlMs);
    return await starting;
  }

  /** Ends a process without a word. */
  crash(member: Member): void {
    member.abandon(new DocktorError("CLOSED", "the process is gone"));
  }

  /** Ends every process. */
  async close(): Promise<void> {
    for (const member of this.#started) this.crash(member);
    await this.settled();
  }

  /** Lets everything happen that needs no time. */
  async settled(): Promise<void> {
    await this.clock.advance(0);
  }

  /** The work of the newest process under the id. */
  workOf(memberId: string): FakeWork {
    const work = this.#works.get(memberId);
    if (work === undefined) throw new Error(`${memberId} was never started`);
    return work;
  }

  async leaseOf(partition: number): Promise<LeaseRecord> {
    return (await this.leases.get(leaseKey(partition)))?.value as LeaseRecord;
  }

  /** Of each partition, who owns it or for whom it is kept; sorted. */
  async shares(): Promise<string[]> {
    const partitions = Array.from({ length: this.#partitions }, (_, partition) => partition);
    const records = await Promise.all(partitions.map((partition) => this.leaseOf(partition)));
    return records.map(({ owner, next }) => owner ?? next ?? "nobody").sort();
  }

  /** By member id, what it is about. */
  async states(): Promise<Record<string, MemberState>> {
    const roster = (await this.leases.get(ROSTER_KEY))?.value as Roster | undefined;
    const members = Object.entries(roster?.members ?? {});
    return Object.fromEntries(members.map(([id, { state }]) => [id, state]));
  }

  /** Writes what a member is to be about, as a tool of the operator's does. */
  async decide(memberId: string, state: MemberState): Promise<void> {
    await changeRoster(this.leases, identity, (roster) => {
      const member = roster?.members[memberId];
      if (roster === undefined || member === undefined) throw new Error(`no member ${memberId}`);
      return withMember(roster, memberId, { ...member, state });
    });
    await this.settled();
  }
}
