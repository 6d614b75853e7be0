/**
 * A member's record of what it processed: one JSON line a message, written after the
 * handler and before the commit, so that nothing is committed that is not on record.
 */
import { closeSync, mkdirSync, openSync, readFileSync, writeSync } from "node:fs";
import { dirname } from "node:path";
import { DocktorError, messageOf } from "../errors.ts";

/** One processed message. */
export interface ProcessedRecord {
  readonly member: string;
  readonly partition: number;
  readonly epoch: number;
  readonly sequence: number;
  /** The message's key; null if it has none. */
  readonly key: string | null;
  /** When it was processed, Unix milliseconds. */
  readonly ts: number;
}

/** Appends records to a file. A line is with the operating system when `write` returns. */
export class RecordWriter {
  readonly path: string;
  readonly #file: number;

  /**
   * Opens the file for appending and creates its folder. `%m` in the path becomes the member id.
   *
   * @throws DocktorError INVALID_OPTION when the file cannot be written
   */
  constructor(path: string, memberId: string) {
    this.path = path.replaceAll("%m", memberId);
    try {
      mkdirSync(dirname(this.path), { recursive: true });
      this.#file = openSync(this.path, "a");
    } catch (error) {
      throw new DocktorError(
        "INVALID_OPTION",
        `cannot write the record ${this.path}: ${messageOf(error)}; name a file that can be written`,
        { cause: error },
      );
    }
  }

  /** Appends one line. */
  write(record: ProcessedRecord): void {
    writeSync(this.#file, `${JSON.stringify(record)}\n`);
  }

  /** Closes the file; nothing can be written after. */
  close(): void {
    closeSync(this.#file);
  }
}

/**
 * Reads a record file. A last line cut short by a crash is left out.
 *
 * @throws DocktorError RECORD_INVALID when any other line is not JSON
 */
export function readRecords(path: string): ProcessedRecord[] {
  const lines = readFileSync(path, "utf8").split("\n");
  lines.pop();
  return lines.map((line, i) => {
    try {
      return JSON.parse(line) as ProcessedRecord;
    } catch (error) {
      throw new DocktorError(
        "RECORD_INVALID",
        `${path}:${i + 1} is not a line of a record: name a file that a RecordWriter wrote`,
        { cause: error },
      );
    }
  });
}
