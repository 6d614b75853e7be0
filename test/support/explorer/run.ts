/** One run of a scenario: its members over a network and a time in the search's hands. */
import { createHash } from "node:crypto";
import type { SessionRecord } from "../../../src/lease/records.ts";
import { Bucket } from "./bucket.ts";
import { Invariants, takeOverFails } from "./invariants.ts";
import { ModelMember } from "./member.ts";
import { Network } from "./network.ts";
import type { Scenario } from "./scenario.ts";
import { settled, type Step, type World } from "./search.ts";
import { MemberClock, Time } from "./time.ts";

/** A session's time to live: renewed every 10, trusted for 27. */
const TTL = 30;

/** When the stream was created. */
const CREATED = "monday";

const UUID = /[\da-f]{8}-[\da-f-]{27}/g;

/** A member with what is kept about it. */
interface Kept {
  readonly member: ModelMember;
  readonly clock: MemberClock;
  readonly mayPause: boolean;
  /** What its session has learnt, and when. */
  session: string;
  /** What its script has learnt, and whether it trusted its session then: it asks nothing else of time. */
  script: string;
}

/** A scenario under way. */
export class Run implements World {
  readonly story: string[] = [];
  readonly #scenario: Scenario;
  readonly #time = new Time();
  readonly #network: Network;
  readonly #sessions: Bucket;
  readonly #leases: Bucket;
  readonly #invariants = new Invariants();
  readonly #kept = new Map<string, Kept>();
  readonly #lives = new Map<string, string>();
  #passages: number;
  #lastSequence = 0;

  /** A run at the point from which it is explored. */
  static async begin(scenario: Scenario): Promise<Run> {
    const run = new Run(scenario);
    const kept = [...run.#kept.values()];
    await scenario.before?.(Object.fromEntries(kept.map(({ member }) => [member.id, member])));
    await settled();
    run.#network.prompt = false;
    run.story.length = 0;
    for (const id of run.#kept.keys()) void run.#play(id);
    await settled();
    return run;
  }

  private constructor(scenario: Scenario) {
    const { passages = 0, faults, settles = true } = scenario;
    this.#scenario = scenario;
    this.#passages = passages;
    this.#sessions = new Bucket(this.#time, TTL);
    this.#leases = new Bucket(this.#time, 0);
    this.#network = new Network({
      faults,
      settles,
      mayPause: (member) => this.#kept.get(member)?.mayPause === true,
      tell: (line) => this.story.push(line),
      text: (value) => this.#text(value),
      onLanded: (member, key, value) => this.#invariants.landed(member, key, value),
      onAnswer: (member, key, what) => this.#learns(member, key, what),
    });
    for (const id of Object.keys(scenario.scripts)) this.#add(id);
  }

  steps(): Step[] {
    return [...this.#network.steps(), ...this.#timers(), ...this.#passage()];
  }

  /**
   * Promises cannot be looked into. But a member is deterministic: its state follows from what it has
   * learnt, so that schedules differing in the order of what nobody noticed come to one state.
   */
  fingerprint(): string {
    const state = this.#text([
      this.#time.now(),
      this.#passages,
      this.#lastSequence,
      this.#invariants.acknowledged,
      this.#invariants.broken,
      [...this.#kept.values()].map(({ session, script, clock }) => [session, script, clock.dues]),
      [...this.#sessions.records],
      [...this.#leases.records].map(([key, { value, revision }]) => [key, value, revision]),
    ]);
    return createHash("sha1").update(state).update(this.#network.fingerprint()).digest("base64");
  }

  async violation(): Promise<string | undefined> {
    const broken = this.#invariants.broken ?? this.#together ?? this.#trustInVain;
    return broken ?? (await takeOverFails(this.#invariants));
  }

  /** Who may start handlers although another one may. */
  get #together(): string | undefined {
    if (this.#scenario.wrongView) return undefined;
    const members = [...this.#kept.values()].map(({ member }) => member);
    const may = members
      .filter(({ mayStart }) => mayStart)
      .map(({ id, epoch }) => `${id} in ${epoch}`);
    return may.length > 1 ? `handlers may start at ${may.join(" and at ")}` : undefined;
  }

  /** Who trusts a session that others may have seen gone. */
  get #trustInVain(): string | undefined {
    for (const { member } of this.#kept.values()) {
      const record = this.#sessions.records.get(member.id);
      const lives = record !== undefined && this.#time.now() < record.at + TTL;
      const declaredDead = (record?.value as SessionRecord | undefined)?.expired === true;
      if (member.trusted && !lives) return `${member.id} trusts its session, which has expired`;
      if (member.trusted && declaredDead)
        return `${member.id} was declared dead, and trusts itself`;
    }
    return undefined;
  }

  get #pausable(): Kept[] {
    return [...this.#kept.values()].filter(({ mayPause }) => mayPause);
  }

  #add(id: string): void {
    const { mutation = {}, mayPause = [] } = this.#scenario;
    const clock = new MemberClock(this.#time);
    const pausable = mayPause.includes(id);
    const leases = this.#network.port(id, this.#leases);
    const member = new ModelMember({
      id,
      clock,
      ttlMs: TTL,
      sessions: this.#network.port(id, this.#sessions, { key: id, mayFail: pausable }),
      leases: mutation.leases?.(leases) ?? leases,
      stream: {
        handle: (sequence) => {
          this.#lastSequence = Math.max(this.#lastSequence, sequence);
        },
        look: () =>
          this.#network.request({
            member: id,
            key: "stream",
            what: "look at the stream",
            carryOut: async () => ({ created: CREATED, lastSequence: this.#lastSequence }),
          }),
      },
      invariants: this.#invariants,
      mutation,
      tell: (line) => this.story.push(line),
    });
    this.#kept.set(id, { member, clock, mayPause: pausable, session: "", script: "" });
  }

  /** A member that may have been paused goes on: the timers run that are due by now. */
  #timers(): Step[] {
    const now = this.#time.now();
    const due = this.#pausable.filter(({ clock }) => clock.dues.some((at) => at <= now));
    return due.map(({ member, clock }) => async () => {
      this.story.push(`${member.id}'s timers run`);
      this.#learns(member.id, member.id, "timers");
      await clock.runDue();
    });
  }

  /** Time passes until a timer is due, or the session of one that may be paused ends. */
  #passage(): Step[] {
    const now = this.#time.now();
    const kept = [...this.#kept.values()];
    const timers = kept.flatMap(({ clock }) => clock.dues);
    const expiries = this.#pausable.flatMap(({ member }) => {
      const renewed = this.#sessions.records.get(member.id);
      return renewed === undefined ? [] : [renewed.at + TTL];
    });
    const next = Math.min(...[...timers, ...expiries].filter((moment) => moment > now));
    if (this.#passages === 0 || next === Infinity) return [];
    const prompt = kept.filter(({ mayPause }) => !mayPause).map(({ clock }) => clock);
    return [
      async () => {
        this.#passages--;
        this.story.push(`${next - now} ms pass`);
        await this.#time.passUntil(next, prompt);
      },
    ];
  }

  async #play(id: string): Promise<void> {
    const kept = this.#kept.get(id);
    const script = this.#scenario.scripts[id];
    if (kept === undefined || script === undefined) return;
    try {
      await script(kept.member);
      // It does nothing any more: only what it owns counts.
      kept.script = `ended with ${kept.member.epoch}`;
    } catch (error) {
      this.#invariants.breaks(`${id} ended by ${String(error)}`);
    }
  }

  #learns(id: string, key: string, what: string): void {
    const kept = this.#kept.get(id);
    if (kept === undefined) return;
    if (key === id) kept.session += `${this.#time.now()} ${what}\n`;
    else kept.script += `${kept.member.trusted ? "trusted" : "late"} ${what}\n`;
  }

  /** A value as text, in which incarnations, which are random, are numbered as they appear. */
  #text(value: unknown): string {
    const text = JSON.stringify(value)?.replaceAll('"', "") ?? "nothing";
    return text.replace(UUID, (incarnation) => {
      const name = this.#lives.get(incarnation) ?? `life ${this.#lives.size + 1}`;
      this.#lives.set(incarnation, name);
      return name;
    });
  }
}
