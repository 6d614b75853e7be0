/** The file to which a process's output is appended. */
import { closeSync, fstatSync, mkdirSync, openSync, readSync, renameSync, statSync } from "node:fs";
import { dirname } from "node:path";
import { lastWords } from "./last-words.ts";

/** A file that has grown larger than this is set aside when the process is started the next time. */
const MOST_BYTES = 10 * 1024 * 1024;

/** As much of the end as is looked at for the last words. */
const TAIL_BYTES = 16 * 1024;

/** One replica's log: what was there before stays, except for what is older than the last 10 MiB or so. */
export class ReplicaLog {
  readonly file: string;
  /** Where the present life's output begins. */
  #begin = 0;

  constructor(file: string) {
    this.file = file;
  }

  /** Opens the file for another life; the caller closes it. What a process says may be secret: only its user may read it. */
  open(): number {
    mkdirSync(dirname(this.file), { recursive: true, mode: 0o700 });
    if ((statSync(this.file, { throwIfNoEntry: false })?.size ?? 0) > MOST_BYTES) {
      renameSync(this.file, `${this.file}.old`);
    }
    const log = openSync(this.file, "a", 0o600);
    this.#begin = fstatSync(log).size;
    return log;
  }

  /** What the process said last in its present life. */
  lastWords(): string | undefined {
    try {
      const log = openSync(this.file, "r");
      try {
        const { size } = fstatSync(log);
        const from = Math.max(this.#begin, size - TAIL_BYTES);
        const tail = Buffer.alloc(Math.max(0, size - from));
        readSync(log, tail, 0, tail.length, from);
        return lastWords(tail.toString("utf8"));
      } finally {
        closeSync(log);
      }
    } catch {
      // Somebody has removed it: then it tells nothing.
      return undefined;
    }
  }
}
