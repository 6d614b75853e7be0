/**
 * Removes the durables that earlier epochs of a partition have left, those of claims that came to
 * nothing included.
 *
 * A durable may come into being long after it was asked for and given up: the request may be held up on the
 * network, or by a cluster that is just electing its leaders. So all are removed once more a while later, and
 * stay on record until then.
 */
import { type Clock, slept } from "../clock.ts";
import type { Lease } from "../lease/lease.ts";

/** How much later: longer than a request may take, and elections after it. */
const LATE_MS = 15_000;

/** What tidying needs. */
export interface TidyingOptions {
  clock: Clock;
  lease: Lease;
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
    const { checkpoint } = this.#options.lease;
    this.#first = this.#try(() => this.#removeFrom(checkpoint.since));
    void this.#removeAgain();
  }

  /**
   * Begins ahead of the work; resolves when all are removed, late ones included: where one that is left
   * keeps this owner from making its own.
   */
  async removeAll(): Promise<void> {
    const { since = Infinity, lateSince = Infinity } = this.#options.lease.checkpoint;
    await this.#removeFrom(Math.min(since, lateSince));
    void this.#removeAgain();
  }

  async #removeFrom(since: number | undefined): Promise<void> {
    await this.#remove(since);
    this.#options.lease.checkpoint.tidied();
  }

  async #remove(since: number | undefined): Promise<void> {
    const { lease, remove } = this.#options;
    const { epoch } = lease;
    for (let earlier = since ?? epoch; earlier < epoch; earlier++) await remove(earlier);
  }

  async #try(step: () => Promise<void>): Promise<boolean> {
    try {
      await step();
      return true;
    } catch (error) {
      this.#options.onError(error);
      return false;
    }
  }

  async #removeAgain(): Promise<void> {
    const { clock, lease, ended } = this.#options;
    const { checkpoint } = lease;
    if (checkpoint.lateSince === undefined || !(await this.#first)) return;
    if (!(await slept(clock, LATE_MS, ended))) return;
    await this.#try(async () => {
      await this.#remove(checkpoint.lateSince);
      checkpoint.tidiedAgain();
    });
  }
}
