/**
 * Removes the durables that earlier epochs of a partition have left, those of claims that came to
 * nothing included.
 *
 * In a cluster a durable may come into being long after it was asked for and given up, as when leaders were
 * just being elected. So there they are removed once more a while later, and stay on record until then.
 */
import { type Clock, slept } from "../clock.ts";
import type { Lease } from "../lease/lease.ts";

/** How much later: longer than a request may take, and elections after it. */
const LATE_MS = 15_000;

/** What tidying needs. */
export interface TidyingOptions {
  clock: Clock;
  lease: Lease;
  /** Whether durables may come into being late. */
  replicated: boolean;
  /** Removes the durable of an epoch, if it is there. */
  remove: (epoch: number) => Promise<void>;
  /** Aborts when the partition is given up: the next owner goes on. */
  ended: AbortSignal;
  onError: (error: unknown) => void;
}

/** The tidying of one owner. */
export class Tidying {
  readonly #options: TidyingOptions;
  #first: Promise<boolean> = Promise.resolve(true);

  constructor(options: TidyingOptions) {
    this.#options = options;
  }

  /** Resolves when what can be removed is, at first. */
  get first(): Promise<boolean> {
    return this.#first;
  }

  /** Begins, beside the work. */
  start(): void {
    this.#first = this.#try();
    void this.#finish();
  }

  /** Removes all of them, once. */
  async removeAll(): Promise<void> {
    const { lease, remove } = this.#options;
    const { epoch, checkpoint } = lease;
    for (let earlier = checkpoint.since ?? epoch; earlier < epoch; earlier++) await remove(earlier);
  }

  async #try(): Promise<boolean> {
    try {
      await this.removeAll();
      return true;
    } catch (error) {
      this.#options.onError(error);
      return false;
    }
  }

  async #finish(): Promise<void> {
    const { clock, lease, replicated, ended } = this.#options;
    const { epoch, checkpoint } = lease;
    const some = checkpoint.since !== undefined && checkpoint.since < epoch;
    let removed = await this.#first;
    if (removed && replicated && some) {
      removed = (await slept(clock, LATE_MS, ended)) && (await this.#try());
    }
    if (removed) checkpoint.tidied();
  }
}
