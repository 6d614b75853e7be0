/** The durables of one partition, in the hands of the owner of one epoch: its own, the next, and past ones. */
import type { Clock } from "../../clock.ts";
import type { Lease } from "../../lease/lease.ts";
import { durableName } from "../../partition/names.ts";
import {
  createDurableAhead,
  type DurableOptions,
  openDurable,
  type Queues,
  removeDurable,
} from "./durable.ts";
import { Tidying } from "./tidying.ts";

/** What an owner's durables need. */
export interface DurablesOptions extends Omit<DurableOptions, "partition" | "epoch" | "after"> {
  clock: Clock;
  lease: Lease;
  /** Everything up to this sequence is handled. */
  handled: () => number;
  preparations: Queues["preparations"];
  /** Aborts when the partition is given up. */
  ended: AbortSignal;
  onError: (error: unknown) => void;
}

/** What one owner does with them. */
export class Durables {
  readonly #options: DurablesOptions;
  readonly #tidying: Tidying;

  constructor(options: DurablesOptions) {
    const { clock, lease, creations, ended, onError } = options;
    this.#options = options;
    const remove = async (epoch: number): Promise<void> =>
      await creations.add(() => this.#remove(epoch));
    this.#tidying = new Tidying({ clock, lease, remove, ended, onError });
  }

  /** Resolves when what can be removed of past ones is, or is left to the next owner. */
  async tidied(): Promise<void> {
    await this.#tidying.finish();
  }

  /** Opens the owner's own; returns whether the lease still holds: else nothing is left behind. */
  async open(): Promise<boolean> {
    const { workQueue, lease } = this.#options;
    // A work queue permits one consumer a subject; elsewhere a hand-over need not wait.
    if (workQueue) await this.#tidying.removeAll();
    if (!lease.prepared) await openDurable(this.#durable(lease.epoch));
    if (lease.trusted()) return true;
    await this.#remove(lease.epoch);
    return false;
  }

  /** Removes past ones, beside the work. */
  tidy(): void {
    if (!this.#options.workQueue) this.#tidying.start();
  }

  /**
   * Creates the next epoch's, so that the next owner need not wait for it; returns behind which sequence it
   * begins, or undefined when it is not as good as new. It begins behind what is *handled*, not behind what is
   * committed: what lies between would come again ahead of what is new. The commit precedes the release.
   */
  async prepareNext(): Promise<number | undefined> {
    const { lease, handled, ended } = this.#options;
    await this.#tidying.pass();
    let after = 0;
    const { delivered } = await createDurableAhead(this.#options, () => {
      // Who waited for it may have gone on without it.
      ended.throwIfAborted();
      after = handled();
      return this.#durable(lease.epoch + 1, after);
    });
    return delivered.consumer_seq === 0 ? after : undefined;
  }

  #durable(epoch: number, after: number = this.#options.lease.checkpoint.sequence): DurableOptions {
    const { partition } = this.#options.lease;
    return { ...this.#options, partition, epoch, after };
  }

  async #remove(epoch: number): Promise<void> {
    const { link, stream } = this.#options;
    await removeDurable(link, stream, this.#nameOf(epoch));
  }

  #nameOf(epoch: number): string {
    const { group, lease } = this.#options;
    return durableName(group, lease.partition, epoch);
  }
}
