/**
 * The simulated group: replicas that start, own partitions, hand them over and leave. Who owns what is computed by the
 * same {@link assign} that members use.
 */
import { assign } from "../../partition/assignment.ts";
import type { Replicas } from "../policy/readings.ts";
import type { Random } from "./random.ts";
import type { Service } from "./service.ts";

/** One replica. */
export interface Member {
  readonly id: string;
  /** How fast it is, as a part of how fast replicas are. */
  readonly speed: number;
  /** Those that it owns. */
  partitions: number[];
  /** How much of a message it has worked on, and not finished. */
  unfinished: number;
  /** What it has handled so far, and how long it was busy with that. */
  handled: number;
  busyMs: number;
}

/** A replica that is on its way, in or out. */
interface Passing {
  readonly id: string;
  readonly at: number;
}

/** The replicas, and who of them owns which partition. */
export class Group {
  readonly #service: Service;
  readonly #slow: number;
  readonly #random: Random;
  #starting: Passing[] = [];
  #draining: Passing[] = [];
  #ready: Member[] = [];
  #owners: readonly (string | undefined)[];
  readonly #movingUntil: number[];
  #started = 0;
  #moves = 0;

  /** Of whose replicas this part is half as fast. */
  constructor(service: Service, slow: number, random: Random) {
    this.#service = service;
    this.#slow = slow;
    this.#random = random;
    this.#owners = Array.from({ length: service.partitions });
    this.#movingUntil = Array.from({ length: service.partitions }, () => -Infinity);
  }

  /** Those that handle messages, in the order in which they came. */
  get members(): readonly Member[] {
    return this.#ready;
  }

  /** How often a partition has gone from one owner to another. */
  get moves(): number {
    return this.#moves;
  }

  get replicas(): Replicas {
    return {
      ready: this.#ready.length,
      starting: this.#starting.length,
      failing: 0,
      draining: this.#draining.length,
    };
  }

  isMoving(partition: number, now: number): boolean {
    return (this.#movingUntil[partition] ?? 0) > now;
  }

  isRebalancing(now: number): boolean {
    return this.#draining.length > 0 || this.#movingUntil.some((until) => until > now);
  }

  /** Lets those come that have started by now, and those go that have handed over. */
  advance(now: number): void {
    this.#draining = this.#draining.filter(({ at }) => at > now);
    const arrived = this.#starting.filter(({ at }) => at <= now);
    if (arrived.length === 0) return;
    this.#starting = this.#starting.filter(({ at }) => at > now);
    this.#ready.push(...arrived.map(({ id }) => this.#member(id)));
    this.#share(now, this.#service.handOverMs);
  }

  /** Starts or stops replicas until there are so many. */
  scaleTo(target: number, now: number): void {
    const { ready, starting } = this.replicas;
    for (let i = ready + starting; i < target; i++) this.#start(now);
    let surplus = ready + starting - target;
    // Whoever is not there yet is not missed.
    while (surplus > 0 && this.#starting.length > 0) {
      this.#starting.pop();
      surplus -= 1;
    }
    if (surplus <= 0) return;
    for (; surplus > 0; surplus--) this.#drain(now);
    this.#share(now, this.#service.handOverMs);
  }

  /** A replica ends by itself, and is started again. */
  crash(now: number): void {
    const victim = Math.floor(this.#random.next() * this.#ready.length);
    if (this.#ready.splice(victim, 1).length === 0) return;
    this.#start(now);
    this.#share(now, this.#service.failOverMs);
  }

  #start(now: number): void {
    const takesMs = this.#service.startUpMs * this.#random.between(0.8, 1.2);
    this.#starting.push({ id: `replica-${this.#started++}`, at: now + takesMs });
  }

  /** The one with the fewest partitions leaves, as that moves the least; of several, the newest. */
  #drain(now: number): void {
    const fewest = Math.min(...this.#ready.map(({ partitions }) => partitions.length));
    const victim = this.#ready.findLastIndex(({ partitions }) => partitions.length === fewest);
    const [member] = this.#ready.splice(victim, 1);
    if (member === undefined) return;
    this.#draining.push({ id: member.id, at: now + this.#service.handOverMs });
  }

  #member(id: string): Member {
    const speed = this.#random.next() < this.#slow ? 0.5 : 1;
    return { id, speed, partitions: [], unfinished: 0, handled: 0, busyMs: 0 };
  }

  /** Shares the partitions among those who are there. Only what changes hands is paused. */
  #share(now: number, pauseMs: number): void {
    const before = this.#owners;
    this.#owners = assign({
      partitions: before.length,
      members: this.#ready.map(({ id }) => id),
      ownerOf: (partition) => before[partition],
    });
    const owned = new Map(this.#ready.map(({ id }): [string, number[]] => [id, []]));
    for (const [partition, owner] of this.#owners.entries()) {
      if (owner === undefined) continue;
      owned.get(owner)?.push(partition);
      if (owner === before[partition]) continue;
      if (before[partition] !== undefined) this.#moves += 1;
      this.#movingUntil[partition] = now + pauseMs;
    }
    for (const member of this.#ready) member.partitions = owned.get(member.id) ?? [];
  }
}
