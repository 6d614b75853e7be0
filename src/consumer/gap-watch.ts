/**
 * Notices what was removed from the stream before this member had handled it: by a purge, by the
 * stream's limits, or because the stream was set back to an earlier state.
 */
import type { StreamInfo } from "@nats-io/jetstream";
import { toDocktorError, type DocktorError } from "../errors.ts";

/** How often a member that has partitions looks, beside each claim. */
const LOOK_MS = 5_000;

/** What of a pump matters here. */
export interface Watched {
  /** Everything up to this sequence has been received, or is handled, or is gone. */
  readonly position: number;
  /** Whether messages beyond the position may have been there to be received. */
  readonly behind: boolean;
  /** Goes on behind a gap. */
  skip(last: number): void;
  /** Starts anew from the checkpoint. */
  interrupt(): void;
}

/** What the watch needs. */
export interface GapWatchOptions<P extends Watched> {
  /** A look at the stream that begins after the call. */
  look: () => Promise<StreamInfo>;
  pumps: () => readonly P[];
  /** Messages of the pump's partition from `first` to `last` are gone, if there were any. */
  onGap: (pump: P, first: number, last: number) => void;
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
    const { look, pumps, onError } = this.#options;
    clearTimeout(this.#timer);
    const before = pumps().map((pump) => ({ pump, position: pump.position }));
    if (before.length === 0) return;
    this.#timer = setTimeout(() => void this.check(), LOOK_MS).unref();
    try {
      const { state } = await look();
      for (const { pump, position } of before) {
        if (state.last_seq < position) pump.interrupt();
        else this.#compare(pump, state.first_seq - 1);
      }
    } catch (error) {
      onError(toDocktorError(error));
    }
  }

  #compare(pump: P, last: number): void {
    const first = pump.position + 1;
    if (!pump.behind || last < first) return;
    pump.skip(last);
    this.#options.onGap(pump, first, last);
  }
}
