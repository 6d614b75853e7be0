/**
 * How a replica goes: its member leaves the group first, having handed over what it owns, and only then is it stopped. So
 * nothing is lost and nothing handled twice. One that does not leave in time is asked to end all the same, and has its
 * own time for that; it is never killed first.
 */
import { messageOf } from "../errors.ts";
import { type Driver, GRACE_MS } from "./drivers/driver.ts";
import type { Crew } from "./replicas.ts";
import type { QueueReader } from "./signals/queue.ts";

/** What letting a replica go needs. */
export interface RetirementOptions {
  readonly driver: Driver;
  readonly queue: QueueReader | undefined;
  readonly drainTimeoutMs: number;
  /** Whether this process may still act. */
  readonly mayAct: () => boolean;
  readonly onTrouble: (message: string) => void;
}

/**
 * Lets it go; resolves once it is gone, or when this process may not act any more.
 *
 * @throws DocktorError TARGET_UNAVAILABLE; the signal's reason when it aborts first
 */
export async function retire(
  { replica, member }: Crew,
  { driver, queue, drainTimeoutMs, mayAct, onTrouble }: RetirementOptions,
  signal: AbortSignal,
): Promise<void> {
  // Where the platform chooses, nobody knows who is to hand over: the one that is stopped does it by itself.
  if (queue !== undefined && member !== undefined && driver.capabilities.choosesVictim) {
    const deadline = AbortSignal.timeout(drainTimeoutMs);
    try {
      await queue.drain(member, AbortSignal.any([signal, deadline]));
    } catch (error) {
      signal.throwIfAborted();
      const why = deadline.aborted ? `within ${drainTimeoutMs} ms` : messageOf(error);
      onTrouble(`${replica.name} did not hand over (${why}), and is asked to end as it is`);
    }
  }
  if (!mayAct()) return;
  await driver.remove(replica, GRACE_MS, signal);
}
