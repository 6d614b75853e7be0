/** Several sides, in turn and again and again, on the same load: what counts is the ratio in one round. */
import { type ChildProcess, fork } from "node:child_process";
import { once } from "node:events";
import { fileURLToPath } from "node:url";
import { median } from "../stats.ts";
import type { Figures, Stretch } from "./meter.ts";
import type { Order, Told } from "./program.ts";
import type { Full, Load, Stage } from "./stage.ts";

const PROGRAM = fileURLToPath(new URL("./program.js", import.meta.url));

/** More than any side can take in the time. */
const MESSAGES_PER_SECOND = 900_000;

/** Who takes part, and on what. */
export interface Contender {
  /** As it is printed. */
  readonly name: string;
  readonly side: string;
  readonly load: Load;
  /** How many processes share the work. */
  readonly members: number;
}

/** What is compared. */
export interface Comparison {
  readonly kind: Order["kind"];
  /** The first is what the others are measured against. */
  readonly contenders: readonly Contender[];
}

/** How it is compared. */
export interface Effort {
  readonly rounds: number;
  readonly stretch: Pick<Stretch, "warmUpMs" | "ms">;
}

/** What came of one contender. */
export interface Outcome {
  readonly name: string;
  /** Messages per second: the median of the rounds. */
  readonly rate: number;
  /** How many times the first one of the same round. */
  readonly ratio: Spread;
  /** Processor time for as many messages, as so many times that of the first one of the same round. */
  readonly cpuRatio: Spread;
  readonly cpuSeconds: number;
  readonly peakMb: number;
}

/** A figure over several rounds. */
export interface Spread {
  readonly median: number;
  readonly least: number;
  readonly most: number;
}

/** Runs all rounds. */
export async function compare(
  stage: Stage,
  comparison: Comparison,
  effort: Effort,
): Promise<Outcome[]> {
  const { contenders } = comparison;
  const rounds: Figures[][] = [];
  await using arena = await Arena.open(stage, comparison, effort);
  for (let round = 0; round < effort.rounds; round++) {
    const figures: Figures[] = [];
    // Each begins in turn: what the one before has left to the server to do meets all of them.
    for (let i = 0; i < contenders.length; i++) {
      const turn = (round + i) % contenders.length;
      const contender = contenders[turn];
      if (contender !== undefined) figures[turn] = await arena.run(contender);
    }
    rounds.push(figures);
  }
  return outcomesOf(
    contenders.map(({ name }) => name),
    rounds,
  );
}

/** What came of each, its figures being at the same place in every round. */
export function outcomesOf(names: readonly string[], rounds: readonly Figures[][]): Outcome[] {
  return names.map((name, turn) => {
    const of = rounds.flatMap((figures) => figures[turn] ?? []);
    return {
      name,
      rate: median(of.map(({ rate }) => rate)),
      ratio: spread(rounds, turn, ({ rate }) => rate),
      cpuRatio: spread(rounds, turn, ({ cpuSeconds }) => cpuSeconds),
      cpuSeconds: median(of.map(({ cpuSeconds }) => cpuSeconds)),
      peakMb: Math.max(...of.map(({ peakMb }) => peakMb)),
    };
  });
}

/** How the figure of one contender compares to that of the first, round by round. */
function spread(
  rounds: readonly Figures[][],
  turn: number,
  figure: (of: Figures) => number,
): Spread {
  const values = rounds.flatMap(({ 0: first, [turn]: own }) =>
    first === undefined || own === undefined ? [] : figure(own) / figure(first),
  );
  return { median: median(values), least: Math.min(...values), most: Math.max(...values) };
}

/** Where the contenders run: consumers of one load share a full stream, and producers each get one. */
class Arena implements AsyncDisposable {
  readonly #stage: Stage;
  readonly #kind: Comparison["kind"];
  readonly #stretch: Effort["stretch"];
  /** By their loads, as JSON. */
  readonly #full = new Map<string, Full>();
  #runs = 0;

  private constructor(stage: Stage, kind: Comparison["kind"], { stretch }: Effort) {
    this.#stage = stage;
    this.#kind = kind;
    this.#stretch = stretch;
  }

  static async open(stage: Stage, comparison: Comparison, effort: Effort): Promise<Arena> {
    const { kind, contenders } = comparison;
    const arena = new Arena(stage, kind, effort);
    if (kind === "publish") return arena;
    const { warmUpMs, ms } = effort.stretch;
    const most = ((warmUpMs + ms) / 1_000) * MESSAGES_PER_SECOND;
    for (const { load } of contenders) {
      const name = JSON.stringify(load);
      if (!arena.#full.has(name)) arena.#full.set(name, await stage.fill(load, most));
    }
    return arena;
  }

  async run({ side, load, members }: Contender): Promise<Figures> {
    const full = this.#full.get(JSON.stringify(load));
    const stream = full?.setting ?? (await this.#stage.create(load));
    const setting = { ...stream, run: `run${++this.#runs}`, members };
    const stretch = { ...this.#stretch, ...(full === undefined ? {} : { total: full.total }) };
    const figures = await carryOut({ kind: this.#kind, side, setting, stretch }, members);
    if (full === undefined) await this.#stage.remove(setting);
    return figures;
  }

  async [Symbol.asyncDispose](): Promise<void> {
    for (const { setting } of this.#full.values()) await this.#stage.remove(setting);
  }
}

/** Has so many processes do the work at the same time. */
export async function carryOut(order: Order, members: number): Promise<Figures> {
  const children = Array.from({ length: members }, () => fork(PROGRAM, [JSON.stringify(order)]));
  try {
    await Promise.all(children.map((child) => told(child, "ready")));
    const figures = Promise.all(children.map((child) => told(child, "figures")));
    for (const child of children) child.send("start");
    const each = await figures;
    const ended = Promise.all(children.map((child) => once(child, "exit")));
    for (const child of children) child.send("stop");
    await ended;
    const rate = sum(each.map((one) => one.rate));
    return {
      rate,
      // Weighted with what each did.
      cpuSeconds: sum(each.map((one) => one.cpuSeconds * one.rate)) / rate,
      peakMb: sum(each.map(({ peakMb }) => peakMb)),
    };
  } finally {
    for (const child of children) if (child.exitCode === null) child.kill("SIGKILL");
  }
}

async function told<T extends Told["type"]>(
  child: ChildProcess,
  type: T,
): Promise<Extract<Told, { type: T }>> {
  const failed = once(child, "exit").then(([code]) => {
    throw new Error(`a side ended with exit code ${String(code)} before it was ${type}`);
  });
  const [message] = (await Promise.race([once(child, "message"), failed])) as [Told];
  if (message.type !== type) throw new Error(`a side told ${message.type} instead of ${type}`);
  return message as Extract<Told, { type: T }>;
}

function sum(values: readonly number[]): number {
  return values.reduce((all, value) => all + value, 0);
}
