/** How much is done in a stretch of time, and at what cost to the process. */
import { setTimeout as sleep } from "node:timers/promises";

/** What was measured. */
export interface Figures {
  /** Messages per second. */
  readonly rate: number;
  /** Processor seconds of this process per million messages. */
  readonly cpuSeconds: number;
  /** The most memory that this process has had, in MB. */
  readonly peakMb: number;
}

/** How long to measure. */
export interface Stretch {
  /** How long it runs before anything counts, in milliseconds. */
  readonly warmUpMs: number;
  readonly ms: number;
  /** How many messages there are to be had; by default there is no end to them. */
  readonly total?: number;
}

/** Counts messages. */
export class Meter {
  /** How many are done. */
  count = 0;

  /** Measures from the end of the warm-up on, until the time is over or there is no more to be done. */
  async measure({ warmUpMs, ms, total = Infinity }: Stretch): Promise<Figures> {
    await this.#begun();
    await sleep(warmUpMs);
    const [first, begunAt, cpu] = [this.count, performance.now(), process.cpuUsage()];
    let lastAt = begunAt;
    for (let last = first; performance.now() - begunAt < ms && last < total; await sleep(5)) {
      if (this.count > last) lastAt = performance.now();
      last = this.count;
    }
    const { user, system } = process.cpuUsage(cpu);
    const done = this.count - first;
    if (done === 0) throw new Error("nothing was done in the time that was measured");
    return {
      rate: done / ((lastAt - begunAt) / 1_000),
      cpuSeconds: (user + system) / done,
      peakMb: process.resourceUsage().maxRSS / 1_024,
    };
  }

  async #begun(): Promise<void> {
    while (this.count === 0) await sleep(5);
  }
}
