/**
 * Lets the event loop turn while there is work without end.
 *
 * Handlers that do not wait for anything are called one after the other without a pause in which
 * a timer could fire or an answer be read; a busy member would fail to renew its session.
 */

/** How long handlers may run on without the event loop turning. */
const LONGEST_RUN_MS = 10;

/** Shared by all partitions of a member. */
export class Breather {
  #since = performance.now();
  #breath: Promise<void> | undefined;

  /** When the event loop has turned last, in milliseconds of the machine's monotonic clock. */
  get turnedAt(): number {
    return this.#since;
  }

  /** The event loop has just turned: something came in. */
  turned(): void {
    this.#since = performance.now();
  }

  /** Whether it is time to breathe. */
  get due(): boolean {
    return performance.now() - this.#since > LONGEST_RUN_MS;
  }

  /** Resolves when the event loop has turned. */
  breathe(): Promise<void> {
    this.#breath ??= new Promise((resolve) => {
      setImmediate(() => {
        this.#breath = undefined;
        this.turned();
        resolve();
      });
    });
    return this.#breath;
  }
}
