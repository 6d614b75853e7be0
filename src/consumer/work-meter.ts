/** How much a member does and how busy it is with it, so that whoever scales the group knows what one more would do. */
import { type EventLoopUtilization, performance } from "node:perf_hooks";
import type { MemberWork } from "../lease/records.ts";

/**
 * Counts for all partitions of a member. Two things can keep it from doing more: its thread, when handlers compute, and
 * its partitions, each of which handles one message at a time, when handlers wait. It is as busy as the busier of
 * the two.
 */
export class WorkMeter {
  /** Messages handled. */
  processed = 0;
  #busyMs = 0;
  /** Handlers that were called and have yet to return, and for how long altogether since the last look. */
  #waiting = 0;
  #waitedMs = 0;
  #changedAt = performance.now();
  #readAt = this.#changedAt;
  #thread: EventLoopUtilization = performance.eventLoopUtilization();

  /** A handler was called that makes its caller wait. */
  began(): void {
    this.#change(1);
  }

  /** Such a handler has returned. */
  ended(): void {
    this.#change(-1);
  }

  /** What was done so far; `capacity` is how many handlers may be under way at a time. */
  read(capacity: number): MemberWork {
    this.#change(0);
    const elapsedMs = this.#changedAt - this.#readAt;
    const thread = performance.eventLoopUtilization();
    const { utilization } = performance.eventLoopUtilization(thread, this.#thread);
    const waited = capacity === 0 || elapsedMs === 0 ? 0 : this.#waitedMs / elapsedMs / capacity;
    this.#busyMs += elapsedMs * Math.min(1, Math.max(utilization, waited));
    [this.#thread, this.#readAt, this.#waitedMs] = [thread, this.#changedAt, 0];
    return { processed: this.processed, busyMs: Math.round(this.#busyMs) };
  }

  #change(by: number): void {
    const now = performance.now();
    this.#waitedMs += this.#waiting * (now - this.#changedAt);
    this.#changedAt = now;
    this.#waiting += by;
  }
}
