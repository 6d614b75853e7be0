/** The log of decisions: a line of JSON for each, in files that are rotated, so that they never fill a disk. */
import {
  closeSync,
  fstatSync,
  mkdirSync,
  openSync,
  readSync,
  renameSync,
  rmSync,
  statSync,
  writeSync,
} from "node:fs";
import { dirname } from "node:path";
import { DocktorError, messageOf } from "../errors.ts";
import type { Decision, Rail } from "./policy/decision.ts";
import type { Readings, Replicas, Unread } from "./policy/readings.ts";
import { statePath } from "./state-folder.ts";

/** How many files there are at most, and how long each gets, in bytes. */
const FILES = 5;
const FILE_BYTES = 10_000_000;

/** Whoever rotates takes no longer than this; what it has left behind then is of one that crashed. */
const ROTATION_MS = 10_000;

/** For as long as this a line may be half-written, in milliseconds. */
const WRITE_MS = 20;

/** One decision, as it is logged. The first keys are those of docktor's first logs. */
export interface DecisionEntry {
  /** When, in ISO 8601. */
  readonly ts: string;
  readonly service: string;
  readonly current_replicas: number;
  readonly decision: "scale_up" | "scale_down" | "hold";
  readonly target_replicas: number;
  readonly reason: string;
  /** Metrics by their names; empty where they could not be read. */
  readonly observations: Readonly<Record<string, number>>;
  /** Whatever else is known, in words: `failing`, the replicas that keep ending by themselves, and why. */
  readonly metadata: Readonly<Record<string, string>>;
  readonly policy: "rate" | "rules";
  /** What has limited the decision. */
  readonly rails: readonly Rail[];
  /** The terms of the formula by their names; null where it was not used. */
  readonly demand: Readonly<Record<string, number>> | null;
  readonly replicas: Replicas;
  /** Whether it was only logged. */
  readonly dry_run: boolean;
}

/** What an entry is made from. */
export interface LoggedDecision {
  readonly at: Date;
  readonly service: string;
  readonly policy: "rate" | "rules";
  readonly dryRun: boolean;
  readonly decision: Decision;
  readonly replicas: Replicas;
  readonly readings: Readings | Unread;
  /** Replicas that keep ending by themselves, and why. */
  readonly failing?: readonly { readonly name: string; readonly why: string }[];
}

const ACTIONS = { up: "scale_up", down: "scale_down", hold: "hold" } as const;

/** Makes an entry. */
export function decisionEntry(logged: LoggedDecision): DecisionEntry {
  const { at, service, policy, dryRun, decision, replicas, readings, failing = [] } = logged;
  const ill = failing.map(({ name, why }) => `${name}: ${why}`).join("; ");
  return {
    ts: at.toISOString(),
    service,
    current_replicas: decision.current,
    decision: ACTIONS[decision.action],
    target_replicas: decision.target,
    reason: decision.reason,
    observations: "unread" in readings ? {} : readings.metrics,
    metadata: ill === "" ? {} : { failing: ill },
    policy,
    rails: decision.rails,
    demand: decision.demand === undefined ? null : inSnakeCase(decision.demand),
    replicas,
    dry_run: dryRun,
  };
}

/** Where decisions are logged unless another file is named: in the XDG folder for state, `~/.local/state` by default. */
export function decisionLogPath(): string {
  return statePath("decisions.jsonl");
}

/** The names of a log's files, the newest first. */
export function filesOf(path: string, files: number = FILES): string[] {
  return Array.from({ length: files }, (_, age) => (age === 0 ? path : `${path}.${age}`));
}

/** How a log is kept. */
export interface DecisionLogOptions {
  /** Told once when a decision cannot be logged, and again only after one was. Default: nobody is told. */
  readonly onError?: (error: DocktorError) => void;
  /** How long a file gets, in bytes. Default 10,000,000. */
  readonly fileBytes?: number;
  /** How many files there are, the one that is written to among them; at least 2. Default 5. */
  readonly files?: number;
}

/**
 * Appends decisions to a file, and never fails. Several processes may append to the same one: each line is written at once
 * to the end of whichever file has the name then.
 */
export class DecisionLog {
  readonly path: string;
  readonly #fileBytes: number;
  readonly #files: readonly string[];
  readonly #onError: (error: DocktorError) => void;
  #failing = false;

  constructor(path: string, options: DecisionLogOptions = {}) {
    const { onError = () => {}, fileBytes = FILE_BYTES, files = FILES } = options;
    this.path = path;
    this.#fileBytes = fileBytes;
    this.#files = filesOf(path, files);
    this.#onError = onError;
  }

  /** Appends one line. */
  append(entry: DecisionEntry): void {
    try {
      mkdirSync(dirname(this.path), { recursive: true });
      const size = appendLine(this.path, JSON.stringify(entry, rounded));
      if (size >= this.#fileBytes) this.#rotate();
      this.#failing = false;
    } catch (error) {
      if (this.#failing) return;
      this.#failing = true;
      const message = `decisions are not logged, as ${this.path} cannot be written: ${messageOf(error)}; scaling goes on`;
      this.#onError(new DocktorError("UNEXPECTED", message, { cause: error }));
    }
  }

  /** Gives each file the name of the next older one; the oldest is gone. One process does it at a time. */
  #rotate(): void {
    const mark = `${this.path}.rotating`;
    if (!createMark(mark)) return;
    try {
      // Another process may have done it meanwhile.
      if (statSync(this.path).size < this.#fileBytes) return;
      const oldestFirst = this.#files.toReversed();
      for (const [at, to] of oldestFirst.entries()) {
        const from = oldestFirst[at + 1];
        if (from !== undefined) renameIfThere(from, to);
      }
    } finally {
      rmSync(mark, { force: true });
    }
  }
}

/** Appends a line, by one write; returns how long the file is then. */
function appendLine(path: string, line: string): number {
  const file = openSync(path, "a+");
  try {
    // What a crash or a full disk has cut short stays a line of its own.
    const bytes = Buffer.from(`${isCutShort(file) ? "\n" : ""}${line}\n`);
    const { size } = fstatSync(file);
    if (writeSync(file, bytes) < bytes.length) throw new Error("the disk is full");
    return size + bytes.length;
  } finally {
    closeSync(file);
  }
}

function isCutShort(file: number): boolean {
  if (!endsWithinLine(file)) return false;
  // Another process may be in the middle of a write, which takes no such time.
  Atomics.wait(new Int32Array(new SharedArrayBuffer(4)), 0, 0, WRITE_MS);
  return endsWithinLine(file);
}

function endsWithinLine(file: number): boolean {
  const { size } = fstatSync(file);
  if (size === 0) return false;
  const last = Buffer.alloc(1);
  return readSync(file, last, 0, 1, size - 1) === 1 && last.toString() !== "\n";
}

/** Whether this process is the one that may rotate now. */
function createMark(mark: string): boolean {
  try {
    closeSync(openSync(mark, "wx"));
    return true;
  } catch (error) {
    if (!hasCode(error, "EEXIST")) throw error;
  }
  const { mtimeMs = Date.now() } = statSync(mark, { throwIfNoEntry: false }) ?? {};
  if (Date.now() - mtimeMs > ROTATION_MS) rmSync(mark, { force: true });
  return false;
}

function renameIfThere(from: string, to: string): void {
  try {
    renameSync(from, to);
  } catch (error) {
    if (!hasCode(error, "ENOENT")) throw error;
  }
}

function hasCode(error: unknown, code: string): boolean {
  return error instanceof Error && "code" in error && error.code === code;
}

/** The numbers of an object, by names as they are written in the log. */
function inSnakeCase(terms: object): Record<string, number> {
  const numbers = Object.entries(terms).filter(([, value]) => typeof value === "number");
  return Object.fromEntries(
    numbers.map(([name, value]) => [
      name.replace(/[A-Z]/g, (letter) => `_${letter.toLowerCase()}`),
      value as number,
    ]),
  );
}

/** Figures with at most three decimals: what clocks and divisions add is noise. */
function rounded(_key: string, value: unknown): unknown {
  return typeof value === "number" ? Math.round(value * 1_000) / 1_000 : value;
}
