/** One member's rebalancer in a group whose other members are the test's: what they write is said. */
import type { DocktorError } from "../../src/errors.ts";
import {
  checkpointKey,
  type LeaseRecord,
  leaseKey,
  ROSTER_KEY,
  type RosterMember,
} from "../../src/lease/records.ts";
import { Session } from "../../src/lease/session.ts";
import { ABSENT, type Store } from "../../src/lease/store.ts";
import { GroupView } from "../../src/lease/view.ts";
import { Rebalancer } from "../../src/partition/rebalancer.ts";
import { ManualClock } from "./clock.ts";
import { FakeWork } from "./fake-work.ts";
import { MemoryStore } from "./memory-store.ts";

const TTL = 3_000;

/** When the stream was created. */
const CREATED = "2026-01-01T00:00:00Z";

/** Member `a` of a group, with a real session and view over a store in memory. */
export class GroupOfOne {
  readonly clock: ManualClock;
  readonly work: FakeWork = new FakeWork();
  /** What a wrote, or tried to write, to leases. */
  readonly tried: [key: string, record: unknown][] = [];
  readonly settledUnder: number[] = [];
  readonly errors: DocktorError[] = [];
  /** What happens to a's writes to leases on their way. */
  onWrite = (): Promise<void> => Promise.resolve();
  /** What a's watch waits for before it shows anything. */
  onWatch = (): Promise<void> => Promise.resolve();
  readonly session: Session;
  readonly view: GroupView;
  readonly #store: MemoryStore;
  /** Writes as other members do: unnoticed, and whatever happens to a's writes. */
  readonly #write: Store["write"];
  readonly #gates: (() => void)[] = [];
  #rebalancer: Rebalancer | undefined;

  static async create(): Promise<GroupOfOne> {
    const clock = new ManualClock();
    const store = new MemoryStore(clock, TTL);
    const session = await Session.open({ store, clock, memberId: "a", ttlMs: TTL });
    return new GroupOfOne(clock, session);
  }

  private constructor(clock: ManualClock, session: Session) {
    this.clock = clock;
    this.session = session;
    this.#store = new MemoryStore(clock);
    this.#write = this.#store.write.bind(this.#store);
    this.#interpose();
    this.view = new GroupView({
      store: this.#store,
      clock,
      onChange: () => this.#rebalancer?.evaluate(),
      onError: (error) => this.errors.push(error),
    });
  }

  /** Has a follow the group, and do its part. */
  async join(partitions: number): Promise<Rebalancer> {
    const { clock, session, view, work } = this;
    this.#rebalancer = new Rebalancer({
      clock,
      store: this.#store,
      session,
      view,
      partitions,
      drainTimeoutMs: 25_000,
      lookAtStream: () => Promise.resolve({ created: CREATED, lastSequence: 100 }),
      work,
      onRebalanced: (revision) => this.settledUnder.push(revision),
      onError: (error) => this.errors.push(error),
    });
    view.start();
    await this.settled();
    return this.#rebalancer;
  }

  /** Has a join as the only member, and leaves out what it began with. */
  async joinAlone(partitions: number): Promise<Rebalancer> {
    await this.roster({ a: {} });
    const rebalancer = await this.join(partitions);
    this.work.news();
    return rebalancer;
  }

  /** A gate that is shut until it is opened, or the test ends. */
  gate(): { passed: () => Promise<void>; open: () => void } {
    let open = (): void => {};
    const opened = new Promise<void>((resolve) => (open = resolve));
    this.#gates.push(open);
    return { passed: () => opened, open };
  }

  /** Lets everything happen that needs no time. */
  async settled(): Promise<void> {
    await this.clock.advance(0);
  }

  /** Writes the roster, in which everyone is active if nothing else is said; returns its revision. */
  async roster(members: Record<string, Partial<RosterMember>>): Promise<number> {
    const full = Object.entries(members).map(([id, member]) => {
      return [id, { incarnation: this.#lifeOf(id), state: "active", startedAt: 0, ...member }];
    });
    const group = { stream: "S", subject: "s", group: "G", ttlMs: TTL };
    return await this.#put(ROSTER_KEY, { ...group, members: Object.fromEntries(full) });
  }

  /** Writes a lease, as another member does. */
  async put(partition: number, record: LeaseRecord): Promise<void> {
    await this.#put(leaseKey(partition), record);
  }

  /** Writes how far a partition is handled, as its owner does. */
  async commit(partition: number, epoch: number): Promise<void> {
    const created = CREATED;
    await this.#put(checkpointKey(partition), { epoch, sequence: 5, created, delivered: 5 });
  }

  /** The lease as it is stored. */
  async stored(partition: number): Promise<unknown> {
    return (await this.#store.get(leaseKey(partition)))?.value;
  }

  /** The record of a lease that the member owns. */
  ownedBy(id: string, epoch = 1): LeaseRecord {
    return { epoch, owner: id, incarnation: this.#lifeOf(id) };
  }

  async close(): Promise<void> {
    for (const open of this.#gates) open();
    this.session.abandon();
    await this.view.stop();
  }

  #lifeOf(id: string): string {
    return id === "a" ? this.session.incarnation : `a life of ${id}`;
  }

  async #put(key: string, value: unknown): Promise<number> {
    return await this.#write(key, value, (await this.#store.get(key))?.revision ?? ABSENT);
  }

  #interpose(): void {
    const watch = this.#store.watch.bind(this.#store);
    const passed = (): Promise<void> => this.onWatch();
    this.#store.watch = async function* (filter, signal) {
      for await (const entry of watch(filter, signal)) {
        await passed();
        yield entry;
      }
    };
    this.#store.write = async (key, value, expected) => {
      if (/^lease\.\d+$/.test(key)) {
        this.tried.push([key, value]);
        await this.onWrite();
      }
      return await this.#write(key, value, expected);
    };
  }
}
