/**
 * Durables for the case that a member has crashed, made while that is not sure yet: the server reads through all that
 * came since the checkpoint for each, and holds up the stream meanwhile, which would be the longest part of a take-over.
 * Who claims such a partition finds its durable there, as if the owner had prepared it and crashed.
 */
import { checkpointKey, parseCheckpoint } from "../lease/records.ts";
import type { Store } from "../lease/store.ts";
import type { GroupView } from "../lease/view.ts";

/** What makes durables. */
export interface SpareMaker {
  /** Makes the durable of that epoch, to begin behind that sequence, unless it is over by the time. Never rejects. */
  makeSpare(partition: number, epoch: number, after: number, over: AbortSignal): Promise<void>;
  /** Removes it, if it is there. Never rejects. */
  removeSpare(partition: number, epoch: number): Promise<void>;
}

interface Spare {
  readonly partition: number;
  readonly epoch: number;
}

/** The spares that a member has made for others. */
export class Spares {
  readonly #store: Store;
  readonly #view: GroupView;
  readonly #work: SpareMaker;
  /** By the incarnation of who may have crashed. */
  readonly #made = new Map<string, Spare[]>();

  constructor({ store, view, work }: { store: Store; view: GroupView; work: SpareMaker }) {
    this.#store = store;
    this.#view = view;
    this.#work = work;
  }

  /** Its renewal is overdue: makes the next durable of each partition of that life, until it is over. Never rejects. */
  async make(incarnation: string, partitions: number, over: AbortSignal): Promise<void> {
    const made: Spare[] = [];
    this.#made.set(incarnation, made);
    over.addEventListener("abort", () => this.#made.delete(incarnation), { once: true });
    const owned = Array.from({ length: partitions }, (_, partition) => partition).filter(
      (partition) => this.#view.lease(partition)?.record.incarnation === incarnation,
    );
    await Promise.all(
      owned.map(async (partition) => {
        const epoch = (this.#view.lease(partition)?.record.epoch ?? 0) + 1;
        const after = await this.#checkpoint(partition);
        if (after === undefined || over.aborted) return;
        made.push({ partition, epoch });
        await this.#work.makeSpare(partition, epoch, after, over);
      }),
    );
  }

  /** That life goes on: removes what was made for it, unless somebody else has come to use it. Never rejects. */
  async remove(incarnation: string): Promise<void> {
    const made = this.#made.get(incarnation) ?? [];
    this.#made.delete(incarnation);
    await Promise.all(
      made.map(async ({ partition, epoch }) => {
        const record = this.#view.lease(partition)?.record;
        if (record?.epoch !== epoch - 1 || record.incarnation !== incarnation) return;
        await this.#work.removeSpare(partition, epoch);
      }),
    );
  }

  async #checkpoint(partition: number): Promise<number | undefined> {
    const key = checkpointKey(partition);
    try {
      const entry = await this.#store.get(key);
      return entry && parseCheckpoint(key, entry.value).sequence;
    } catch {
      // Who claims it will say so.
      return undefined;
    }
  }
}
