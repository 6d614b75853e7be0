/**
 * Removes the durables that earlier epochs of a partition have left, those of claims that came to
 * nothing included.
 *
 * A durable may come into being long after it was asked for and given up: the request may be held up on the
 * network, or by a cluster that is just electing its leaders. So all are removed once more a while later, and
 * stay on record until then.
 */
import { type Clock, slept } from "../../clock.ts";
import type { Lease } from "../../lease/lease.ts";

/** How much later: longer than a request may take, and elections after it. */
const LATE_MS = 15_000;

/**
 * How long after a claim past durables are left alone: the server holds the stream while it removes one, and
 * other partitions may be on their way to the same member. Measured at 10,000 messages a second on 2 cores: of the
 * slowest tenth of hand-overs, some removal went on for half of the time.
 */
const CALM_MS = 1_000;

/** So many of a partition are not left alone: owners follow each other faster than that. */
const MOST_LEFT = 4;

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
  readonly #hurried = new AbortController();
  /** Whether the next owner is to do it. */
  #left = false;

  constructor(options: TidyingOptions) {
    this.#options = options;
  }

  /** Begins, beside the work, in a while. */
  start(): void {
    const { clock, lease } = this.#options;
    const { since } = lease.checkpoint;
    lease.lost.addEventListener("abort", () => this.#leave(), { once: true });
    this.#first = this.#try(async () => {
      if (since !== undefined) await slept(clock, CALM_MS, this.#hurried.signal);
      if (!this.#left) await this.#removeFrom(since);
    });
    void this.#removeAgain();
  }

  /** Resolves when what can be removed is; does not wait any longer before it begins. */
  async finish(): Promise<void> {
    this.#hurried.abort();
    await this.#first;
  }

  /** The partition is about to move: leaves what is not begun to the next owner, unless that is too much. */
  async pass(): Promise<void> {
    const { epoch, checkpoint } = this.#options.lease;
    if (epoch - (checkpoint.since ?? epoch) < MOST_LEFT) this.#leave();
    await this.finish();
  }

  #leave(): void {
    this.#left = true;
    this.#hurried.abort();
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
