/** What a consumer tells about itself and its group. */
import type { DocktorError } from "./errors.ts";

/**
 * Why a partition was lost.
 *
 * - `fenced`: another member owns it by now
 * - `session-lost`: the session was not renewed in time, so another member may own it
 * - `failed`: work on it could not start or end in good order; it is tried again
 * - `stalled`: work on it did not get on here, so it was given to another member
 * - `drain-timeout`: it was to be handed over, and handlers under way did not finish in time
 * - `closed`: this consumer was closed without handing over
 */
export type LostReason =
  | "fenced"
  | "session-lost"
  | "failed"
  | "stalled"
  | "drain-timeout"
  | "closed";

/**
 * Why a message was set aside.
 *
 * - `failed`: its handler failed as often as it may
 * - `stalled`: its handler hung twice, the second time at another member if there was one
 * - `parked`: an earlier message of its key was set aside, and it follows in order
 */
export type DeadLetterReason = "failed" | "stalled" | "parked";

/** The events of a consumer: name → arguments of its listeners. */
export interface ConsumerEvents {
  /** A member joined the group, this one (`self`) included. */
  "member:joined": [{ memberId: string; self: boolean }];
  /** A member left the group or was found dead. */
  "member:left": [{ memberId: string; self: boolean }];
  /** This member owns the partition from now on; `sequence` is where its predecessor ended. */
  "partition:claimed": [{ partition: number; epoch: number; sequence: number }];
  /**
   * This member gave the partition up in good order, to `next` if it was handed over;
   * `durationMs` from when no further handler was started to the release.
   */
  "partition:released": [
    { partition: number; epoch: number; next: string | undefined; durationMs: number },
  ];
  /** This member does not own the partition any more, and did not give it up. */
  "partition:lost": [{ partition: number; epoch: number; reason: LostReason; error: DocktorError }];
  /**
   * Messages were removed from the stream before the group had handled them: those of this
   * partition with a sequence from `first` to `last`, if there were any.
   */
  "partition:gap": [{ partition: number; epoch: number; first: number; last: number }];
  /**
   * The message `sequence` has been under way for `stalledMs`, and those behind it wait. Told again
   * each time that `stall.afterMs` has passed.
   */
  "partition:stalled": [{ partition: number; epoch: number; sequence: number; stalledMs: number }];
  /**
   * A message was set aside in the stream `<stream>_DLQ`, under the sequence `deadLetter`, and counts
   * as handled; or one that was replayed from there failed again, and stays.
   */
  "message:dead-lettered": [
    {
      partition: number;
      epoch: number;
      sequence: number;
      key: string | undefined;
      reason: DeadLetterReason;
      attempts: number;
      deadLetter: number;
    },
  ];
  /** This member has done its part of a rebalance; `partitions` are those it owns now. */
  rebalance: [{ members: readonly string[]; partitions: readonly number[] }];
  /** Every message of the partition up to `sequence` is handled, for good. */
  commit: [{ partition: number; epoch: number; sequence: number }];
  /** Something went wrong; unless the state is `failed`, the consumer goes on by itself. */
  error: [DocktorError];
}

/** Emits a consumer's event. */
export type Tell = <Name extends keyof ConsumerEvents>(
  event: Name,
  ...args: ConsumerEvents[Name]
) => void;
