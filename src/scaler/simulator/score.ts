/** What is told of a simulated policy. */
import type { Backlog } from "./backlog.ts";
import type { Group } from "./group.ts";

/** The figures. What is counted begins after the warm-up, but for messages. */
export interface Scored {
  /** The part of the time in which some message had waited for longer than the SLO. */
  readonly overSlo: number;
  /** Replicas times hours, from the start of each to its end. */
  readonly replicaHours: number;
  /** How long it was. */
  readonly hours: number;
  /** How often the number of replicas was changed. */
  readonly actions: number;
  /** How often that was in the other direction than the time before. */
  readonly reversals: number;
  /** The longest that any message waited, in milliseconds. */
  readonly maxAgeMs: number;
  /** How often a partition went from one replica to another. */
  readonly moves: number;
  /** Messages in, out, and those that are left. */
  readonly arrived: number;
  readonly handled: number;
  readonly backlog: number;
}

/** Keeps the score. */
export class Score {
  readonly #sloMs: number;
  #ms = 0;
  #overMs = 0;
  #replicaMs = 0;
  #actions = 0;
  #reversals = 0;
  #lastUp: boolean | undefined;
  #maxAgeMs = 0;
  #movesBefore = 0;
  #moves = 0;

  constructor(sloMs: number) {
    this.#sloMs = sloMs;
  }

  /** After each step, which ends now. */
  step(now: number, stepMs: number, backlogs: readonly Backlog[], group: Group): void {
    if (now <= 0) {
      this.#movesBefore = group.moves;
      return;
    }
    const { ready, starting, draining } = group.replicas;
    this.#ms += stepMs;
    this.#replicaMs += (ready + starting + draining) * stepMs;
    this.#moves = group.moves - this.#movesBefore;
    let ageMs = 0;
    for (const { oldestAt } of backlogs) {
      if (oldestAt !== undefined && now - oldestAt > ageMs) ageMs = now - oldestAt;
    }
    if (ageMs > this.#sloMs) this.#overMs += stepMs;
    this.#maxAgeMs = Math.max(this.#maxAgeMs, ageMs);
  }

  /** After each decision. */
  decided(now: number, current: number, target: number): void {
    if (target === current) return;
    const up = target > current;
    if (now > 0) {
      this.#actions += 1;
      if (this.#lastUp !== undefined && this.#lastUp !== up) this.#reversals += 1;
    }
    this.#lastUp = up;
  }

  result(arrived: number, handled: number, backlogs: readonly Backlog[]): Scored {
    const hour = 3_600_000;
    return {
      overSlo: this.#overMs / this.#ms,
      replicaHours: this.#replicaMs / hour,
      hours: this.#ms / hour,
      actions: this.#actions,
      reversals: this.#reversals,
      maxAgeMs: this.#maxAgeMs,
      moves: this.#moves,
      arrived,
      handled,
      backlog: backlogs.reduce((sum, { size }) => sum + size, 0),
    };
  }
}
