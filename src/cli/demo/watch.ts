/** Watches the group from outside, through its status, as anyone could. */
import { describeGroup, type GroupStatus, isDocktorError } from "../../index.ts";
import type { Scene } from "./scene.ts";

/** How long one look takes: rates are measured over this time. */
const LOOK_MS = 300;

/** Follows the group until its signal aborts. */
export class Watch {
  /** The last look; undefined until there is a group. */
  status: GroupStatus | undefined;
  /** How often the roster was found changed. */
  rosterChanges = 0;
  /** The most members seen at a time. */
  mostMembers = 0;
  readonly #scene: Scene;
  readonly #onLook: (status: GroupStatus) => void;
  readonly #waiting = new Set<() => void>();
  #roster = "";

  constructor(scene: Scene, onLook: (status: GroupStatus) => void) {
    this.#scene = scene;
    this.#onLook = onLook;
  }

  /** Looks again and again. @throws DocktorError when the group cannot be read */
  async run(signal: AbortSignal): Promise<void> {
    const { connection, stream, group } = this.#scene;
    while (!signal.aborted) {
      try {
        const status = await describeGroup({ connection, stream, group, sampleMs: LOOK_MS });
        if (!signal.aborted) this.#look(status);
      } catch (error) {
        if (signal.aborted) return;
        // Before the first member, there is no group; and a busy server may answer the next look.
        const passing = isDocktorError(error) && error.retriable;
        if (!passing && !isDocktorError(error, "GROUP_NOT_FOUND")) throw error;
      }
    }
  }

  /** Resolves at a look at which the condition holds. */
  async until(condition: (status: GroupStatus) => boolean, signal: AbortSignal): Promise<void> {
    await new Promise<void>((resolve, reject) => {
      const check = (): void => {
        if (signal.aborted) reject(signal.reason as Error);
        else if (this.status !== undefined && condition(this.status)) resolve();
        else return;
        this.#waiting.delete(check);
        signal.removeEventListener("abort", check);
      };
      this.#waiting.add(check);
      signal.addEventListener("abort", check);
      check();
    });
  }

  #look(status: GroupStatus): void {
    this.status = status;
    const roster = status.members.map(({ id }) => id).join();
    if (roster !== this.#roster) this.rosterChanges++;
    this.#roster = roster;
    this.mostMembers = Math.max(this.mostMembers, status.members.length);
    this.#onLook(status);
    for (const check of this.#waiting) check();
  }
}

/** Whether exactly these members share all partitions fairly. */
export function isShared(status: GroupStatus, ids: readonly string[]): boolean {
  const { members, partitions } = status;
  const sizes = members.map((member) => member.partitions.length);
  return (
    members.map(({ id }) => id).join() === ids.join() &&
    sizes.reduce((sum, size) => sum + size, 0) === partitions.length &&
    Math.max(...sizes) - Math.min(...sizes) <= 1
  );
}

/** How many partitions have another owner than before. */
export function movedPartitions(before: GroupStatus | undefined, now: GroupStatus): number {
  return now.partitions.filter(({ owner }, i) => owner !== (before?.partitions[i]?.owner ?? null))
    .length;
}
