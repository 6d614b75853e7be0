/**
 * When a partition's progress is committed: after so many messages, or so long after the
 * first of them, whichever comes first; and at most one commit at a time.
 */
import { isDocktorError, toDocktorError } from "../errors.ts";
import type { Lease } from "../lease/lease.ts";
import type { Progress } from "./progress.ts";

/** When progress is committed. */
export interface CommitOptions {
  /** How long a handled message may wait for its commit, in milliseconds, from 1 to 60,000. Default 250. */
  readonly intervalMs?: number;
  /**
   * The uncommitted window: how many messages of a partition may be under way or handled but not
   * committed, from 1 to 100,000. After a crash at most so many are handled again. Default 2,048.
   */
  readonly window?: number;
}

/** What can be committed, and acknowledged to the server. */
export interface Committable {
  readonly sequence: number;
  readonly deliverySequence: number;
  ack(): void;
}

/** What a committer needs. */
export interface CommitterOptions<T extends Committable> {
  lease: Pick<Lease, "commit" | "note" | "trusted">;
  progress: Progress<T>;
  intervalMs: number;
  window: number;
  onCommitted: (sequence: number) => void;
  onError: (error: unknown) => void;
}

/** Commits one partition's progress. */
export class Committer<T extends Committable> {
  readonly #options: CommitterOptions<T>;
  #timer: NodeJS.Timeout | undefined;
  #running: Promise<void> | undefined;
  #stopped = false;
  /** Whether the checkpoint has something to write although nothing more is handled. */
  #noted = false;

  constructor(options: CommitterOptions<T>) {
    this.#options = options;
  }

  /** Something was handled: commits now if half the window is full, else soon. */
  advance(): void {
    if (this.#stopped || this.#options.progress.committable === 0) return;
    if (this.#due) this.#start();
    else this.#startLater();
  }

  /** The checkpoint's troubles have changed: writes them soon. */
  note(): void {
    this.#noted = true;
    this.#startLater();
  }

  /**
   * Commits everything that can be committed, and what is noted.
   *
   * @throws DocktorError FENCED, SESSION_LOST, TIMEOUT
   */
  async flush(): Promise<void> {
    while (this.#running !== undefined) await this.#running;
    if (this.#options.progress.committable === 0 && !this.#noted) return;
    const committing = this.#commit();
    const settled = (): void => {
      this.#running = undefined;
    };
    this.#running = committing.then(settled, settled);
    await committing;
  }

  /** Commits nothing any more. */
  stop(): void {
    this.#stopped = true;
    clearTimeout(this.#timer);
  }

  #start(): void {
    if (this.#running !== undefined) return;
    this.#running = this.#run().finally(() => {
      this.#running = undefined;
    });
  }

  async #run(): Promise<void> {
    try {
      do await this.#commit();
      while (this.#due);
    } catch (error) {
      // The lease was given up meanwhile, which was told with the reason.
      if (this.#stopped) return;
      // A lost lease is lost for good: whoever tried again at once would let nothing else run.
      if (isDocktorError(error, "FENCED") || isDocktorError(error, "SESSION_LOST")) this.stop();
      else this.#options.onError(toDocktorError(error));
    }
    if (this.#options.progress.committable > 0 || this.#noted) this.#startLater();
  }

  /** Whether half the window waits for a commit. */
  get #due(): boolean {
    const { progress, window } = this.#options;
    return progress.committable * 2 >= window;
  }

  #startLater(): void {
    if (this.#stopped) return;
    this.#timer ??= setTimeout(() => {
      this.#timer = undefined;
      this.#start();
    }, this.#options.intervalMs);
  }

  async #commit(): Promise<void> {
    const { lease, progress, onCommitted } = this.#options;
    clearTimeout(this.#timer);
    this.#timer = undefined;
    const { floor, committable } = progress;
    const noted = this.#noted;
    this.#noted = false;
    try {
      if (floor !== undefined) await lease.commit(floor.sequence, floor.deliverySequence);
      else if (noted) await lease.note();
    } catch (error) {
      this.#noted ||= noted;
      throw error;
    }
    if (floor === undefined) return;
    const committed = progress.committed(committable);
    onCommitted(floor.sequence);
    this.#ack(committed);
  }

  /** Acks what progress has kept for that, as in a work queue. */
  #ack(committed: readonly T[]): void {
    for (const message of committed) {
      // Held up since the commit, or between two of them: the next owner has dealt with the rest.
      if (!this.#options.lease.trusted()) return;
      message.ack();
    }
  }
}
