/** Ctrl-C and its relatives: the first one ends the command in good order, the second at once. */
import { constants } from "node:os";
import { whenReaderGone } from "./output.ts";

const SIGNALS = ["SIGINT", "SIGTERM", "SIGHUP"] as const;

/** npm passes on a Ctrl-C that the terminal has sent to us already. */
const ECHO_MS = 50;

/** What to do when the command is to end. */
export interface StopHandlers {
  /** The first time. */
  readonly gently: (reason: string) => void;
  /** The second time; then the process exits. */
  readonly atOnce: () => Promise<void>;
}

/** Exit code of a process that a signal has ended, as shells count. */
export function signalExitCode(signal: NodeJS.Signals): number {
  return 128 + constants.signals[signal];
}

/** Listens from now on. */
export function onStop({ gently, atOnce }: StopHandlers): void {
  let firstAt: number | undefined;
  const end = (reason: string): void => {
    if (firstAt !== undefined) return;
    firstAt = performance.now();
    gently(reason);
  };
  for (const signal of SIGNALS) {
    process.on(signal, () => {
      if (firstAt === undefined) end(signal);
      else if (performance.now() - firstAt > ECHO_MS) {
        void atOnce().finally(() => process.exit(signalExitCode(signal)));
      }
    });
  }
  whenReaderGone(() => end("nobody reads the output any more"));
  // The docktor process that started this one is gone.
  process.once("disconnect", () => end("the process that started this one is gone"));
}
