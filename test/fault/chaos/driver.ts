/** Carries a plan out, and gathers the evidence. */
import { setTimeout as sleep } from "node:timers/promises";
import { Archive, STREAMS } from "./archive.ts";
import { Crew } from "./crew.ts";
import type { Evidence, Performed } from "./evidence.ts";
import { Load } from "./load.ts";
import type { Mutant } from "./mutants.ts";
import { type Action, boundMs, type Plan } from "./plan.ts";
import { Site } from "./site.ts";

/** How long the first members may take to share the partitions. */
const SETTLE_MS = 30_000;
/** How long nothing at all may be committed of what is left once the last fault is over. */
const STANDSTILL_MS = { 1: 20_000, 3: 45_000 } as const;
/** How long members may take to leave, beside the deadline of their hand-over. */
const LEAVE_MS = 15_000;

/** What a run needs beside its plan. */
export interface DriverOptions {
  /** The compiled member. */
  readonly program: string;
  /** The nats-server to run; by default the system's. */
  readonly binary?: string;
  /** The rule that members break. */
  readonly mutant?: Mutant;
}

/** Runs the plan from the first server's start to the last one's end. */
export async function carryOut(plan: Plan, options: DriverOptions): Promise<Evidence> {
  await using site = await Site.start(plan.servers, options.binary);
  await using archive = await Archive.open(site.url, site.replicas);
  const load = await Load.connect(site.url, plan, site.replicas);
  const { program, mutant } = options;
  await using crew = new Crew({ site, plan, program, mutant });
  for (const member of plan.members) await crew.join(member);
  await within(SETTLE_MS, () => archive.owned(plan.partitions));

  const startedAt = Date.now();
  load.start();
  const stage = new Stage(site, crew);
  await Promise.all([sleep(plan.durationMs), ...plan.actions.map((each) => stage.perform(each))]);
  await load.end();
  const behind = (): Promise<number> => archive.behind(plan.partitions);
  const caughtUp = await dwindles(behind, STANDSTILL_MS[plan.servers]);
  // Only those who are still there can find out who has crashed, or could not get out by itself; whom they
  // leave there is a finding.
  const onlyThoseWhoStay = async (): Promise<boolean> =>
    (await archive.members()).every((id) => crew.stays(id));
  await within(boundMs(plan), onlyThoseWhoStay);
  await crew.disband(plan.drainTimeoutMs + LEAVE_MS);
  // Before anything is read, which makes a consumer.
  const left = await archive.left();
  return {
    plan,
    startedAt,
    performed: stage.performed,
    published: load.published,
    stored: await archive.stored(),
    writes: await archive.writes(),
    rosters: await archive.rosters(),
    records: crew.records(),
    events: crew.events(),
    exits: crew.exits,
    caughtUp,
    left,
  };
}

/** Where actions are performed, each at its time. */
class Stage {
  readonly performed: Performed[] = [];
  readonly #site: Site;
  readonly #crew: Crew;

  constructor(site: Site, crew: Crew) {
    this.#site = site;
    this.#crew = crew;
  }

  async perform(action: Action): Promise<void> {
    await sleep(action.at);
    const { type } = action;
    const from = Date.now();
    const member = "member" in action ? action.member : undefined;
    const process = member === undefined ? undefined : this.#crew.processOf(member);
    await this.#act(action);
    const note: Performed = { what: inWords(action), type, from, to: Date.now() };
    const name = process ?? (member === undefined ? undefined : this.#crew.processOf(member));
    this.performed.push(name === undefined ? note : { ...note, member: name });
  }

  async #act(action: Action): Promise<void> {
    switch (action.type) {
      case "join":
        return await this.#crew.join(action.member);
      case "leave":
        return this.#crew.leave(action.member);
      case "kill":
        return await this.#crew.kill(action.member);
      case "step-down":
        return await this.#site.stepDown(STREAMS[action.stream]);
      case "outage": {
        const node = this.#site.nodes[action.node];
        await node?.kill();
        await sleep(action.forMs);
        return await node?.restart();
      }
      case "freeze":
        this.#crew.freeze(action.member, true);
        await sleep(action.forMs);
        return this.#crew.freeze(action.member, false);
      case "cut":
      case "blackhole": {
        const wires = this.#crew.wires(action.member);
        for (const wire of wires) wire[action.type]();
        await sleep(action.forMs);
        for (const wire of wires) wire.heal();
        return;
      }
      case "block":
      case "hang":
      case "throw":
      case "slow": {
        const { type, forMs } = action;
        this.#crew.tell(action.member, { type, forMs });
        return await sleep(forMs);
      }
    }
  }
}

function inWords(action: Action): string {
  const forMs = "forMs" in action ? ` for ${action.forMs} ms` : "";
  if (action.type === "outage")
    return `node ${action.node} is killed, and restarted after ${action.forMs} ms`;
  if (action.type === "step-down") return `the leader of the ${action.stream} steps down`;
  return `${action.type} ${action.member}${forMs}`;
}

/** Whether the condition comes true in time; a server that does not answer does not make it true. */
async function within(ms: number, condition: () => Promise<boolean>): Promise<boolean> {
  const deadline = performance.now() + ms;
  while (performance.now() < deadline) {
    if (await condition().catch(() => false)) return true;
    await sleep(50);
  }
  return false;
}

/** Whether the amount comes down to 0; it may not stay as it is for so long. */
async function dwindles(amount: () => Promise<number>, ms: number): Promise<boolean> {
  let least = Infinity;
  for (let deadline = performance.now() + ms; performance.now() < deadline; await sleep(50)) {
    const now = await amount().catch(() => Infinity);
    if (now === 0) return true;
    if (now < least) deadline = performance.now() + ms;
    least = Math.min(least, now);
  }
  return false;
}
