/**
 * How a replica goes: its member leaves the group first, having handed over what it owns, and only then is it stopped. So
 * nothing is lost and nothing handled twice. One that does not leave in time is asked to end all the same, and has its
 * own time for that; it is never killed first.
 */
import { anyOf } from "../clock.ts";
import { DocktorError, messageOf } from "../errors.ts";
import { writtenDuration } from "./config/duration.ts";
import { type Driver, GRACE_MS } from "./drivers/driver.ts";
import type { ReplicaWithMember } from "./replicas.ts";
import type { QueueReader } from "./signals/queue.ts";

/** What letting a replica go needs. */
export interface RemovalOptions {
  readonly driver: Driver;
  readonly queue: QueueReader | undefined;
  readonly drainTimeoutMs: number;
  /** Whether this process may still act. */
  readonly mayAct: () => boolean;
  /** It has not left in time, or could not be told to. */
  readonly onError: (error: DocktorError) => void;
}

/**
 * Lets it go; resolves once it is gone, or when this process may not act any more.
 *
 * @throws DocktorError TARGET_UNAVAILABLE; the signal's reason when it aborts first
 */
export async function drainAndRemove(
  { replica, member }: ReplicaWithMember,
  { driver, queue, drainTimeoutMs, mayAct, onError }: RemovalOptions,
  signal: AbortSignal,
): Promise<void> {
  // Where the platform chooses, nobody knows who is to hand over: the one that is stopped does it by itself.
  if (queue !== undefined && member !== undefined && driver.capabilities.choosesVictim) {
    const deadline = AbortSignal.timeout(drainTimeoutMs);
    try {
      await queue.drain(member, anyOf(signal, deadline));
    } catch (error) {
      signal.throwIfAborted();
      const why = deadline.aborted
        ? `within ${writtenDuration(drainTimeoutMs)} (drain_timeout)`
        : `as it could not be told to: ${messageOf(error)}`;
      const message = `${replica.name} has not handed over ${why}; it is asked to end now`;
      onError(new DocktorError("TIMEOUT", message, { cause: error }));
    }
  }
  if (!mayAct()) return;
  await driver.remove(replica, GRACE_MS, signal);
}
