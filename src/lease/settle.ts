/**
 * Finds out what became of a write whose answer never came.
 *
 * A write that timed out may have landed, may land later, or may be lost. Repeating it
 * with the same expected revision is safe in all three cases: at most one of the copies
 * is accepted, and reading back tells whether it was ours.
 */
import { isDeepStrictEqual } from "node:util";
import { isDocktorError } from "../errors.ts";
import type { Entry } from "./store.ts";

/** How often an unanswered write is sent before giving up. */
const ATTEMPTS = 3;

/** One compare-and-set, as a store can send it. */
export interface Write {
  key: string;
  value: unknown;
  /** The revision the key must have for the write to be accepted. */
  expected: number;
  send(): Promise<number>;
  read(): Promise<Entry | undefined>;
}

/** Sends the write and returns its revision, settling unknown outcomes by reading back. */
export async function settle(write: Write): Promise<number> {
  for (let attempt = 1; ; attempt++) {
    try {
      return await write.send();
    } catch (error) {
      const conflict = isDocktorError(error, "CONFLICT");
      // A conflict at the first attempt is another's write; later it may be our own copy.
      if (conflict && attempt === 1) throw error;
      if (!conflict && !isDocktorError(error, "TIMEOUT")) throw error;
      const found = await readBack(write, attempt === ATTEMPTS || conflict);
      const landed = found !== undefined && found.revision > write.expected;
      if (landed && isDeepStrictEqual(found.value, write.value)) return found.revision;
      if (conflict || attempt === ATTEMPTS) throw error;
    }
  }
}

/** What is there now. Silence leaves it open, and is an error of its own when nothing more is tried. */
async function readBack(write: Write, last: boolean): Promise<Entry | undefined> {
  try {
    return await write.read();
  } catch (error) {
    // Another reason than silence, such as a deleted bucket, ends the attempts.
    if (last || !isDocktorError(error, "TIMEOUT")) throw error;
    return undefined;
  }
}
