/**
 * Notices what was removed from the stream before this member had handled it: by a purge, by the
 * stream's limits, or because the stream was set back to an earlier state.
 */
import type { StreamInfo } from "@nats-io/jetstream";
import { type DocktorError, toDocktorError } from "../errors.ts";
import type { Gap } from "./delivery/delivery.ts";

/** How often a member that has partitions looks, beside each claim. */
const LOOK_MS = 5_000;

/** What of a pump matters here. */
export interface Watched {
  /** Everything up to this sequence has been received, or is handled, or is gone. */
  readonly position: number;
  /** Goes on behind what it missed of the sequences up to `last`, which are gone. */
  gapsUpTo(last: number): readonly Gap[];
  /** Starts anew from the checkpoint. */
  interrupt(): void;
}

/** What the watch needs. */
export interface GapWatchOptions<P extends Watched> {
  /** A look at the stream that begins after the call. */
  look: () => Promise<StreamInfo>;
  pumps: () => readonly P[];
  /** Messages of the pump's partition in this range are gone, if there were any. */
  onGap: (pump: P, gap: Gap) => void;
  onError: (error: DocktorError) => void;
}

/** Looks now and then for as long as there are pumps. */
export class GapWatch<P extends Watched> {
  readonly #options: GapWatchOptions<P>;
  #timer: NodeJS.Timeout | undefined;

  constructor(options: GapWatchOptions<P>) {
    this.#options = options;
  }

  /** Looks now, and again every few seconds while there are pumps. Never rejects. */
  async check(): Promise<void> {
    const { look, pumps, onGap, onError } = this.#options;
    clearTimeout(this.#timer);
    const before = pumps().map((pump) => ({ pump, position: pump.position }));
    if (before.length === 0) return;
    this.#timer = setTimeout(() => void this.check(), LOOK_MS).unref();
    try {
      const { state } = await look();
      for (const { pump, position } of before) {
        if (state.last_seq < position) pump.interrupt();
        else for (const gap of pump.gapsUpTo(state.first_seq - 1)) onGap(pump, gap);
      }
    } catch (error) {
      onError(toDocktorError(error));
    }
  }
}
