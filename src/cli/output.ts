/** Results on stdout, and on a terminal what is under way on stderr. */
import { EXIT } from "./failure.ts";
import { json } from "./format.ts";

/** Called when whoever reads our output is gone, as after `| head`. */
let onReaderGone = (): void => process.exit(EXIT.ok);

/** Prints a line. */
export function print(line: string): void {
  process.stdout.write(`${line}\n`);
}

/** Prints a value as one line of JSON. */
export function printJson(value: unknown): void {
  print(json(value));
}

/** Keeps one line up to date for people who watch; without text it is gone. */
export function showProgress(text: string): void {
  if (process.stderr.isTTY) process.stderr.write(`\r\x1b[K${text}`);
}

/** Makes the end of the reader an end like any other, not an error. */
export function watchReader(): void {
  process.stdout.on("error", (error: NodeJS.ErrnoException) => {
    if (error.code === "EPIPE") onReaderGone();
    else throw error;
  });
  process.stderr.on("error", () => {});
}

/** Says what to do instead of exiting at once when the reader is gone. */
export function whenReaderGone(end: () => void): void {
  onReaderGone = end;
}

/** Exits once everything printed has been taken. */
export function exitWith(code: number): void {
  process.exitCode = code;
  process.stdout.write("", () => process.exit(code));
}
