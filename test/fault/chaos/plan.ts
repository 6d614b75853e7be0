/** What one run of chaos does, and when: it follows from the seed alone. Pure. */
import { type Chance, chance } from "./random.ts";

/** What is done to a member for a while. */
type Affliction = "freeze" | "block" | "hang" | "throw" | "slow" | "cut" | "blackhole";

/** One step of the schedule; `at` and `forMs` in milliseconds, from the start. */
export type Action =
  | { readonly at: number; readonly type: "join" | "leave" | "kill"; readonly member: string }
  | {
      readonly at: number;
      readonly type: Affliction;
      readonly member: string;
      readonly forMs: number;
    }
  | { readonly at: number; readonly type: "outage"; readonly node: number; readonly forMs: number }
  | { readonly at: number; readonly type: "step-down"; readonly stream: StreamRole };

/** Which of the group's streams. */
export type StreamRole = "messages" | "leases" | "sessions";

/** What can be asked for. */
export interface PlanOptions {
  readonly seed: number;
  readonly durationMs: number;
  readonly servers: 1 | 3;
}

/** A run, with everything that the members and the producer are told. */
export interface Plan extends PlanOptions {
  readonly partitions: number;
  readonly ttlMs: number;
  readonly window: number;
  readonly intervalMs: number;
  /** Whether handlers of one partition run one at a time, or several keys at a time. */
  readonly orderBy: "partition" | "key";
  readonly stallAfterMs: number;
  readonly drainTimeoutMs: number;
  readonly keys: number;
  /** Messages published a second. */
  readonly rate: number;
  /** The members that are there at the start. */
  readonly members: readonly string[];
  readonly actions: readonly Action[];
}

/** How long a member takes to start: until then nobody may count on it. */
const START_MS = 2_000;
/** After this a member that was afflicted is well again. */
const RECOVERY_MS = 500;
/** How long a cluster is left alone after a node is back, as one of three may be missing at a time. */
const REST_MS = 8_000;
const MOST_MEMBERS = 5;

/** To look, to claim and to deliver, on two cores with a dozen busy processes. */
const TAKE_OVER_MS = 1_500;
/** A cluster of 2.9 takes up to so long to choose the leader of a new durable, before it delivers. */
const TAKE_OVER_IN_CLUSTER_MS = 7_000;

/** How long a partition may stand still after one fault. */
export function boundMs({ ttlMs, servers }: Plan): number {
  return ttlMs + (servers === 1 ? TAKE_OVER_MS : TAKE_OVER_IN_CLUSTER_MS);
}

/** What a seed does. */
export function plan(options: PlanOptions): Plan {
  const { seed, durationMs, servers } = options;
  const dice = chance(seed);
  const orderBy = dice.percent(35) ? "key" : "partition";
  // A cluster takes seconds to choose a leader, and nobody can renew anything meanwhile.
  const ttlMs = servers === 1 ? dice.between(8, 20) * 100 : dice.between(20, 40) * 100;
  const settings = {
    partitions: dice.between(3, 8),
    ttlMs,
    window: dice.between(1, 4) * 32,
    intervalMs: dice.between(2, 25) * 10,
    orderBy,
    stallAfterMs: dice.percent(50) ? 1_500 : 0,
    drainTimeoutMs: 3_000,
    keys: dice.between(10, 60),
    rate: dice.between(2, 8) * 100,
    members: ["m1", "m2", "m3"],
  } as const;
  const schedule = new Schedule(dice, servers, ttlMs, settings.members);
  return { ...options, ...settings, actions: schedule.fill(durationMs) };
}

interface Standing {
  /** From when on it can be counted on. */
  wellFrom: number;
  afflictedUntil: number;
}

/** Makes up actions one by one, so that at least one member is always well and can take over. */
class Schedule {
  readonly #dice: Chance;
  readonly #servers: 1 | 3;
  readonly #ttlMs: number;
  readonly #present = new Map<string, Standing>();
  readonly #killed: string[] = [];
  readonly #actions: Action[] = [];
  #named: number;
  #outageUntil = 0;

  constructor(dice: Chance, servers: 1 | 3, ttlMs: number, members: readonly string[]) {
    this.#dice = dice;
    this.#servers = servers;
    this.#ttlMs = ttlMs;
    for (const id of members) this.#present.set(id, { wellFrom: 0, afflictedUntil: 0 });
    this.#named = members.length;
  }

  fill(durationMs: number): Action[] {
    const step = (): number => this.#dice.between(100, 900);
    for (let at = step(); at < durationMs; at += step()) {
      const action = this.#next(at);
      if (action !== undefined) this.#actions.push(action);
    }
    return this.#actions;
  }

  #next(at: number): Action | undefined {
    const roll = this.#dice.between(1, 100);
    if (roll <= 20) return this.#join(at);
    if (roll <= 30) return this.#part(at, "leave");
    if (roll <= 42) return this.#part(at, "kill");
    if (roll <= 54) return this.#afflict(at, "freeze", this.#outlasting());
    if (roll <= 60) return this.#afflict(at, "block", this.#outlasting());
    if (roll <= 66) return this.#afflict(at, "hang", this.#dice.between(200, 3_000));
    if (roll <= 71) return this.#afflict(at, "throw", this.#dice.between(100, 800));
    if (roll <= 76) return this.#afflict(at, "slow", this.#dice.between(300, 2_000));
    if (roll <= 83) return this.#afflict(at, "cut", this.#outlasting());
    if (roll <= 90) return this.#afflict(at, "blackhole", this.#outlasting());
    if (this.#servers === 3 && roll <= 97) return this.#stepDown(at);
    return this.#outage(at);
  }

  /** Shorter than the TTL in half of the cases, and longer in the other half. */
  #outlasting(): number {
    const share = this.#dice.percent(50)
      ? this.#dice.between(10, 80)
      : this.#dice.between(120, 300);
    return Math.round((this.#ttlMs * share) / 100);
  }

  #join(at: number): Action | undefined {
    if (this.#present.size >= MOST_MEMBERS || at < this.#outageUntil) return undefined;
    // A process that crashed may come back under its name.
    const back = this.#dice.percent(50) ? this.#killed.shift() : undefined;
    const member = back ?? `m${++this.#named}`;
    this.#present.set(member, { wellFrom: at + START_MS, afflictedUntil: at });
    return { at, type: "join", member };
  }

  #part(at: number, type: "leave" | "kill"): Action | undefined {
    const member = this.#victim(at, type === "kill");
    if (member === undefined) return undefined;
    this.#present.delete(member);
    if (type === "kill") this.#killed.push(member);
    return { at, type, member };
  }

  #afflict(at: number, type: Affliction, forMs: number): Action | undefined {
    const member = this.#victim(at, false);
    if (member === undefined) return undefined;
    const until = at + forMs + RECOVERY_MS;
    this.#present.set(member, { wellFrom: until, afflictedUntil: until });
    return { at, type, member, forMs };
  }

  #outage(at: number): Action | undefined {
    if (at < this.#outageUntil) return undefined;
    const node = this.#dice.between(0, this.#servers - 1);
    const forMs = this.#servers === 1 ? this.#outlasting() : this.#dice.between(1_000, 5_000);
    this.#outageUntil = at + forMs + (this.#servers === 1 ? RECOVERY_MS : REST_MS);
    return { at, type: "outage", node, forMs };
  }

  #stepDown(at: number): Action | undefined {
    if (at < this.#outageUntil) return undefined;
    const stream = this.#dice.pick<StreamRole>(["messages", "leases", "sessions"]);
    return stream && { at, type: "step-down", stream };
  }

  /** A member to whom something may be done, while another one is well. */
  #victim(at: number, afflictedToo: boolean): string | undefined {
    const all = [...this.#present];
    const member = this.#dice.pick(
      all.filter(([, { afflictedUntil }]) => afflictedToo || afflictedUntil <= at),
    )?.[0];
    const others = all.filter(([id, { wellFrom }]) => id !== member && wellFrom <= at);
    return others.length > 0 ? member : undefined;
  }
}
