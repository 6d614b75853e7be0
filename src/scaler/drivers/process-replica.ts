/** A replica that is a child process, started again when it ends by itself. */
import { closeSync } from "node:fs";
import { slept, systemClock } from "../../clock.ts";
import { messageOf } from "../../errors.ts";
import { endedWith } from "./last-words.ts";
import { Life } from "./process-life.ts";
import type { ReplicaLog } from "./process-log.ts";
import { nextPause } from "./restart-pause.ts";

/** What is run. */
export interface ProcessReplicaOptions {
  /** `consumer-3`. */
  readonly name: string;
  /** The same in every life, so that the group knows who comes back. */
  readonly memberId: string;
  readonly command: readonly string[];
  readonly env: NodeJS.ProcessEnv;
  readonly log: ReplicaLog;
  /** How long it may take to end when it is not said how long, in milliseconds. */
  readonly graceMs: number;
}

/** One replica, from its first start until it is stopped. */
export class ProcessReplica {
  readonly name: string;
  readonly memberId: string;
  readonly #options: ProcessReplicaOptions;
  readonly #stopped = new AbortController();
  #life: Life | undefined;
  #why: string | undefined;
  #kept: Promise<void> = Promise.resolve();
  #stopping: Promise<void> | undefined;

  private constructor(options: ProcessReplicaOptions) {
    this.name = options.name;
    this.memberId = options.memberId;
    this.#options = options;
  }

  /** Starts it. @throws DocktorError TARGET_UNAVAILABLE, when there is nothing to start again either */
  static async start(options: ProcessReplicaOptions): Promise<ProcessReplica> {
    const replica = new ProcessReplica(options);
    const life = await replica.#begin();
    replica.#kept = replica.#keep(life);
    return replica;
  }

  get state(): "running" | "stopping" | "failed" {
    if (this.#stopping !== undefined) return "stopping";
    return this.#why === undefined ? "running" : "failed";
  }

  /** Why it is failed. */
  get why(): string | undefined {
    return this.state === "failed" ? this.#why : undefined;
  }

  /** Its process; undefined while it waits for its next start. */
  get pid(): number | undefined {
    return this.#life?.pid;
  }

  /** Stops it for good; resolves once it is gone. The grace of the first call counts. */
  stop(graceMs: number): Promise<void> {
    this.#stopping ??= this.#stop(graceMs);
    return this.#stopping;
  }

  async #stop(graceMs: number): Promise<void> {
    this.#stopped.abort();
    await this.#life?.end(graceMs);
    await this.#kept;
  }

  async #begin(): Promise<Life> {
    const log = this.#options.log.open();
    try {
      return await Life.begin({ ...this.#options, log });
    } finally {
      closeSync(log);
    }
  }

  async #keep(first: Life): Promise<void> {
    let life: Life | undefined = first;
    let pauseMs: number | undefined;
    for (;;) {
      const startedAt = systemClock.now();
      const why: string | undefined = life && (await this.#live(life));
      if (this.#stopped.signal.aborted) return;
      if (why !== undefined) this.#why = why;
      pauseMs = nextPause(pauseMs, systemClock.now() - startedAt);
      if (!(await slept(systemClock, pauseMs, this.#stopped.signal))) return;
      life = await this.#beginAgain();
    }
  }

  /** Resolves when the life is over, with how it ended. */
  async #live(life: Life): Promise<string> {
    this.#life = life;
    this.#why = undefined;
    // Asked to stop while it was being started: nobody could tell it then.
    if (this.#stopped.signal.aborted) await life.end(this.#options.graceMs);
    const ending = await life.ended;
    // Before anyone else may do its work, what it has started ends, too.
    await life.end(this.#options.graceMs);
    this.#life = undefined;
    return endedWith(ending, this.#options.log.lastWords());
  }

  async #beginAgain(): Promise<Life | undefined> {
    try {
      return await this.#begin();
    } catch (error) {
      this.#why = messageOf(error);
      return undefined;
    }
  }
}
