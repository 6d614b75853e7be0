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

/** What is compared. */
export interface Comparison {
  readonly kind: Order["kind"];
  /** The first is what the others are measured against. */
  readonly sides: readonly string[];
  readonly load: Load;
  /** How many processes share the work; by default one. */
  readonly members?: number;
}

/** How it is compared. */
export interface Effort {
  readonly rounds: number;
  readonly stretch: Pick<Stretch, "warmUpMs" | "ms">;
}

/** What came of one side. */
export interface Outcome {
  readonly side: string;
  /** Messages per second: the median of the rounds. */
  readonly rate: number;
  /** How many times the first side of the same round. */
  readonly ratio: Spread;
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
  const { sides } = comparison;
  const rounds: Map<string, Figures>[] = [];
  await using arena = await Arena.open(stage, comparison, effort);
  for (let round = 0; round < effort.rounds; round++) {
    const figures = new Map<string, Figures>();
    // Each begins in turn: what the one before has left to the server to do meets all of them.
    for (let i = 0; i < sides.length; i++) {
      const side = sides[(round + i) % sides.length] ?? "";
      figures.set(side, await arena.run(side));
    }
    rounds.push(figures);
  }
  const of = (side: string): Figures[] => rounds.flatMap((figures) => figures.get(side) ?? []);
  const [base = ""] = sides;
  return sides.map((side) => ({
    side,
    rate: median(of(side).map(({ rate }) => rate)),
    ratio: spread(
      rounds.map((each) => (each.get(side)?.rate ?? NaN) / (each.get(base)?.rate ?? NaN)),
    ),
    cpuSeconds: median(of(side).map(({ cpuSeconds }) => cpuSeconds)),
    peakMb: Math.max(...of(side).map(({ peakMb }) => peakMb)),
  }));
}

function spread(values: readonly number[]): Spread {
  return { median: median(values), least: Math.min(...values), most: Math.max(...values) };
}

/** Where the sides of one comparison run: consumers share a full stream, and producers each get one. */
class Arena implements AsyncDisposable {
  readonly #stage: Stage;
  readonly #comparison: Comparison;
  readonly #stretch: Effort["stretch"];
  readonly #full: Full | undefined;
  #runs = 0;

  private constructor(
    stage: Stage,
    comparison: Comparison,
    { stretch }: Effort,
    full: Full | undefined,
  ) {
    this.#stage = stage;
    this.#comparison = comparison;
    this.#stretch = stretch;
    this.#full = full;
  }

  static async open(stage: Stage, comparison: Comparison, effort: Effort): Promise<Arena> {
    const { warmUpMs, ms } = effort.stretch;
    const most = ((warmUpMs + ms) / 1_000) * MESSAGES_PER_SECOND;
    const full =
      comparison.kind === "consume" ? await stage.fill(comparison.load, most) : undefined;
    return new Arena(stage, comparison, effort, full);
  }

  async run(side: string): Promise<Figures> {
    const { kind, load, members = 1 } = this.#comparison;
    const stream = this.#full?.setting ?? (await this.#stage.create(load));
    const setting = { ...stream, run: `run${++this.#runs}`, members };
    const total = this.#full?.total;
    const stretch = { ...this.#stretch, ...(total === undefined ? {} : { total }) };
    const figures = await carryOut({ kind, side, setting, stretch }, members);
    if (this.#full === undefined) await this.#stage.remove(setting);
    return figures;
  }

  async [Symbol.asyncDispose](): Promise<void> {
    if (this.#full !== undefined) await this.#stage.remove(this.#full.setting);
  }
}

/** Has so many processes do the work at the same time. */
async function carryOut(order: Order, members: number): Promise<Figures> {
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
