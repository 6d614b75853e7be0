/** Reading the log of decisions from its end, over all of its files, a piece at a time. */
import { type FileHandle, open } from "node:fs/promises";
import { DocktorError, messageOf } from "../errors.ts";
import { type DecisionEntry, filesOf } from "./decision-log.ts";

/** So much of a file is read at a time, in bytes. */
const PIECE = 65_536;

/** What of a log is wanted. */
export interface ReadDecisionsOptions {
  /** How many of the newest decisions. */
  readonly newest: number;
  /** Only those about this service. */
  readonly service?: string | undefined;
}

/** Decisions of a log. */
export interface ReadDecisions {
  /** The newest ones, in the order in which they were made. */
  readonly entries: readonly DecisionEntry[];
  /** How many there are in all, of that service if one was named. */
  readonly total: number;
}

/**
 * Reads the newest decisions; undefined if there is no log. Lines that are cut short are left out.
 *
 * @throws DocktorError INVALID_OPTION when the log cannot be read
 */
export async function readDecisions(
  path: string,
  { newest, service }: ReadDecisionsOptions,
): Promise<ReadDecisions | undefined> {
  const files = await openAll(path);
  if (files.length === 0) return undefined;
  try {
    const entries: DecisionEntry[] = [];
    let total = 0;
    for await (const line of linesNewestFirst(files)) {
      const entry = parsed(line);
      if (entry === undefined || (service !== undefined && entry.service !== service)) continue;
      total++;
      if (entries.length < newest) entries.push(entry);
    }
    return { entries: entries.toReversed(), total };
  } catch (error) {
    throw unreadable(path, error);
  } finally {
    await Promise.all(files.map((file) => file.close()));
  }
}

/** All files of the log that there are, the newest first. One that gets an older one's name meanwhile is there once. */
async function openAll(path: string): Promise<FileHandle[]> {
  const opened = new Map<number, FileHandle>();
  for (const name of filesOf(path)) {
    try {
      const file = await open(name);
      const { ino } = await file.stat();
      if (opened.has(ino)) await file.close();
      else opened.set(ino, file);
    } catch (error) {
      if (error instanceof Error && "code" in error && error.code === "ENOENT") continue;
      await Promise.all([...opened.values()].map((file) => file.close()));
      throw unreadable(name, error);
    }
  }
  return [...opened.values()];
}

async function* linesNewestFirst(files: readonly FileHandle[]): AsyncIterable<string> {
  for (const file of files) {
    let { size: end } = await file.stat();
    /** The end of a line that began further up. */
    let rest: Buffer = Buffer.alloc(0);
    while (end > 0) {
      const start = Math.max(0, end - PIECE);
      const { buffer, bytesRead } = await file.read(
        Buffer.alloc(end - start),
        0,
        end - start,
        start,
      );
      const piece = Buffer.concat([buffer.subarray(0, bytesRead), rest]);
      const whole = start === 0 ? 0 : piece.indexOf("\n") + 1 || piece.length;
      yield* piece.subarray(whole).toString().split("\n").toReversed();
      rest = piece.subarray(0, whole);
      end = start;
    }
  }
}

/** The entry of a line; undefined if it is none. */
function parsed(line: string): DecisionEntry | undefined {
  try {
    const entry = JSON.parse(line) as Partial<DecisionEntry> | null;
    const isEntry =
      typeof entry?.ts === "string" &&
      typeof entry.service === "string" &&
      typeof entry.decision === "string";
    return isEntry ? (entry as DecisionEntry) : undefined;
  } catch {
    return undefined;
  }
}

function unreadable(path: string, error: unknown): DocktorError {
  const message = `cannot read the log of decisions ${path}: ${messageOf(error)}`;
  return new DocktorError("INVALID_OPTION", message, { cause: error });
}
