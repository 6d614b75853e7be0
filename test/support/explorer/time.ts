/**
 * Time that passes when the search says so. Each member has a clock that runs with it, but a member
 * whose timers are not run is a paused one.
 */
import type { Clock } from "../../../src/clock.ts";
import { settled } from "./search.ts";

interface Timer {
  readonly due: number;
  readonly run: () => void;
}

/** The true time. */
export class Time implements Clock {
  #now = 0;

  now(): number {
    return this.#now;
  }

  sleep(): Promise<void> {
    return Promise.reject(new Error("only members sleep"));
  }

  /** Lets time pass until then; meanwhile the timers of those clocks run when they are due. */
  async passUntil(end: number, running: readonly MemberClock[]): Promise<void> {
    for (;;) {
      const due = running.flatMap((clock) => clock.nextDue ?? []).filter((at) => at <= end);
      if (due.length === 0) break;
      this.#now = Math.max(this.#now, Math.min(...due));
      for (const clock of running) await clock.runDue();
    }
    this.#now = end;
  }
}

/** A member's clock. */
export class MemberClock implements Clock {
  readonly #time: Time;
  #timers: Timer[] = [];

  constructor(time: Time) {
    this.#time = time;
  }

  now(): number {
    return this.#time.now();
  }

  /** When its timers are due. */
  get dues(): number[] {
    return this.#timers.map(({ due }) => due);
  }

  /** When the first of them is. */
  get nextDue(): number | undefined {
    return this.#timers.length === 0 ? undefined : Math.min(...this.dues);
  }

  async sleep(ms: number, signal?: AbortSignal): Promise<void> {
    signal?.throwIfAborted();
    await new Promise<void>((resolve, reject) => {
      const cut = (): void => {
        this.#timers = this.#timers.filter((other) => other !== timer);
        reject(signal?.reason);
      };
      const run = (): void => {
        signal?.removeEventListener("abort", cut);
        resolve();
      };
      const timer = { due: this.now() + ms, run };
      this.#timers.push(timer);
      signal?.addEventListener("abort", cut);
    });
  }

  /** Runs the timers that are due, in order. */
  async runDue(): Promise<void> {
    for (;;) {
      const due = this.nextDue;
      if (due === undefined || due > this.now()) return;
      const timer = this.#timers.find((each) => each.due === due);
      this.#timers = this.#timers.filter((each) => each !== timer);
      timer?.run();
      await settled();
    }
  }
}
