/**
 * Containers that have crashed and that the engine does not start again, as Compose's default is. Each rests for a while, longer
 * each time; from then on it counts as gone, so that the policy wants another one, and is the first to be started again.
 */
import type { Clock } from "../../clock.ts";
import { nextPause } from "./restart-pause.ts";

interface Crash {
  /** When the life ended that was seen last, as the engine writes it. */
  readonly finishedAt: string;
  readonly seenAt: number;
  readonly pauseMs: number;
}

/** What is known of the crashes of one service's containers. */
export class Crashes {
  readonly #clock: Clock;
  readonly #crashes = new Map<string, Crash>();

  constructor(clock: Clock) {
    this.#clock = clock;
  }

  /** Notes how a container's life has ended, if that is news; returns whether it still rests. */
  rests(id: string, { StartedAt, FinishedAt }: { StartedAt: string; FinishedAt: string }): boolean {
    const before = this.#crashes.get(id);
    const now = this.#clock.now();
    let crash = before;
    if (crash?.finishedAt !== FinishedAt) {
      const livedMs = Math.max(0, Date.parse(FinishedAt) - Date.parse(StartedAt)) || 0;
      const pauseMs = nextPause(before?.pauseMs, livedMs);
      crash = { finishedAt: FinishedAt, seenAt: now, pauseMs };
      this.#crashes.set(id, crash);
    }
    return now - crash.seenAt < crash.pauseMs;
  }

  /** Forgets those that are not there any more. */
  keepOnly(ids: ReadonlySet<string>): void {
    for (const id of this.#crashes.keys()) if (!ids.has(id)) this.#crashes.delete(id);
  }
}
