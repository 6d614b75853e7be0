/** Ctrl-C and its relatives: the first one ends the command in good order, the second at once. */
import { constants } from "node:os";
import { whenReaderGone } from "./output.ts";

const SIGNALS = ["SIGINT", "SIGTERM", "SIGHUP"] as const;

/** npm passes on a Ctrl-C that the terminal has sent to us already. */
const ECHO_MS = 50;

/** How long a process may still hand over whose starter is gone. */
const ORPHAN_MS = 2_000;

/** What to do when the command is to end. */
export interface StopHandlers {
  /** The first time. */
  readonly gently: (reason: string) => void;
  /** The second time; then the process exits. */
  readonly atOnce: () => Promise<void>;
}

/** Exit code of a process that a signal has ended, as shells count. */
function signalExitCode(name: NodeJS.Signals): number {
  return 128 + constants.signals[name];
}

/** The reason when whoever read our output is gone, as after `| head`. */
export const READER_GONE = "nobody reads the output any more";

/** Listens from now on. */
export function onStop({ gently, atOnce }: StopHandlers): void {
  let firstAt: number | undefined;
  const first = (reason: string): void => {
    if (firstAt !== undefined) return;
    firstAt = performance.now();
    gently(reason);
  };
  const second = (name: NodeJS.Signals): void => {
    void atOnce().finally(() => process.exit(signalExitCode(name)));
  };
  for (const name of SIGNALS) {
    process.on(name, () => {
      if (firstAt === undefined) first(name);
      else if (performance.now() - firstAt > ECHO_MS) second(name);
    });
  }
  whenReaderGone(() => first(READER_GONE));
  // Whoever started us on a wire is gone, and perhaps the server with it.
  process.once("disconnect", () => {
    first("the process that started this one is gone");
    setTimeout(() => second("SIGHUP"), ORPHAN_MS);
  });
}
