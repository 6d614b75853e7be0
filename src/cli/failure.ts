/** How a command fails: one line on stderr, and an exit code that says whose fault it was. */
import { type ErrorCode, isDocktorError } from "../index.ts";

/** Exit codes, as the README promises them. */
export const EXIT = { ok: 0, failed: 1, usage: 2 } as const;

/** What can be mended on the command line, or in the configuration. */
const USAGE: ReadonlySet<ErrorCode> = new Set<ErrorCode>([
  "CONFIG_INVALID",
  "GROUP_MISMATCH",
  "INVALID_OPTION",
  "PARTITION_COUNT_MISMATCH",
  "PARTITION_COUNT_UNKNOWN",
  "STREAM_SUBJECT_MISMATCH",
]);

/** A command that ends with this exit code, having said why. */
export class Exit extends Error {
  override readonly name = "Exit";
  readonly code: number;

  constructor(code: number) {
    super(`exit ${code}`);
    this.code = code;
  }
}

/** Whether the user can mend it on the command line or in the environment. */
export function isUsageError(error: unknown): boolean {
  return isDocktorError(error) && USAGE.has(error.code);
}

/** Prints the one line. */
export function complain(message: string): void {
  process.stderr.write(`docktor: ${joinLines(message)}\n`);
}

/** What went wrong, in words. */
export function messageOf(error: unknown): string {
  return error instanceof Error ? error.message : String(error);
}

function joinLines(text: string): string {
  return text
    .split("\n")
    .map((line) => line.trim())
    .filter((line) => line !== "")
    .join(" ");
}
