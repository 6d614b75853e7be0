/** A member's pumps: starts and ends the flow of each partition as its lease comes and goes. */
import type { StreamInfo } from "@nats-io/jetstream";
import PQueue from "p-queue";
import { systemClock } from "../clock.ts";
import { DocktorError } from "../errors.ts";
import type { LostReason, Tell } from "../events.ts";
import type { StreamPosition } from "../lease/checkpoint.ts";
import type { Lease } from "../lease/lease.ts";
import type { PartitionWork } from "../partition/rebalancer.ts";
import { Breather } from "./breather.ts";
import type { Gap } from "./delivery.ts";
import { type Dispatch, dispatchFor } from "./dispatch.ts";
import { freshly } from "./freshly.ts";
import { GapWatch } from "./gap-watch.ts";
import type { Handlers } from "./handlers.ts";
import type { ConsumerSettings } from "./options.ts";
import { Pump } from "./pump.ts";
import { readStream, type Resources } from "./resources.ts";

/** What the pumps need. */
export interface WorkloadOptions {
  settings: ConsumerSettings;
  resources: Resources;
  handlers: Handlers;
  tell: Tell;
  /** Deliveries of a partition broke off although its lease holds. */
  onInterrupted: (lease: Lease) => void;
  onError: (error: DocktorError) => void;
}

/** The work on all partitions of one member. */
export class Workload implements PartitionWork {
  readonly #options: WorkloadOptions;
  readonly #dispatch: Dispatch;
  /** By partition; one whose lease is lost stays until its last handler has returned. */
  readonly #pumps = new Map<number, Pump>();
  readonly #breather = new Breather();
  readonly #creations = new PQueue({ concurrency: 1 });
  readonly #gaps: GapWatch<Pump>;
  readonly #look: () => Promise<StreamInfo>;

  constructor(options: WorkloadOptions) {
    this.#options = options;
    this.#dispatch = dispatchFor(options.handlers, options.settings.concurrency);
    const { link } = options.resources;
    this.#look = freshly(() => readStream(link, options.settings.stream));
    this.#gaps = new GapWatch({
      look: this.#look,
      pumps: () => [...this.#pumps.values()],
      onGap: ({ lease }, gap) => this.#tellGap(lease, gap),
      onError: options.onError,
    });
  }

  /** The leases being worked on. */
  get leases(): Lease[] {
    return [...this.#pumps.values()].map((pump) => pump.lease);
  }

  /** The stream as it is after the call. */
  async lookAtStream(): Promise<StreamPosition> {
    const { created, state } = await this.#look();
    return { created, lastSequence: state.last_seq };
  }

  async start(lease: Lease): Promise<void> {
    const { settings, resources, tell, onInterrupted, onError } = this.#options;
    const { partition, epoch } = lease;
    // A handler that outlived an earlier lease must end first: one at a time, in order.
    await this.#pumps.get(partition)?.abort();
    this.#tellRestart(lease);
    if (lease.lost.aborted) throw lease.lost.reason;
    tell("partition:claimed", { partition, epoch, sequence: lease.checkpoint.sequence });
    const pump = new Pump({
      clock: systemClock,
      link: resources.link,
      lease,
      stream: settings.stream,
      workQueue: resources.workQueue,
      subject: settings.subject,
      group: settings.group,
      dispatch: this.#dispatch,
      commit: settings.commit,
      breather: this.#breather,
      creations: this.#creations,
      onCommitted: (sequence) => tell("commit", { partition, epoch, sequence }),
      onInterrupted: () => onInterrupted(lease),
      onError,
    });
    this.#pumps.set(partition, pump);
    await pump.start();
    // A work queue removes what is handled: nothing is missing there.
    if (!resources.workQueue) void this.#gaps.check();
  }

  async prepare(lease: Lease): Promise<boolean> {
    const pump = this.#pumpOf(lease);
    const { resources } = this.#options;
    // A work queue permits one consumer a subject.
    if (pump === undefined || resources.workQueue) return false;
    try {
      const unused = await pump.prepareNext();
      const { created, lastSequence } = await this.lookAtStream();
      const { stream, sequence } = lease.checkpoint;
      return unused && created === stream && lastSequence >= sequence;
    } catch {
      // The next owner does it itself.
      return false;
    }
  }

  async finish(lease: Lease): Promise<void> {
    await this.#pumpOf(lease)?.finish();
  }

  released(lease: Lease, next: string | undefined, durationMs: number): void {
    const { partition, epoch } = lease;
    this.#pumps.delete(partition);
    this.#options.tell("partition:released", { partition, epoch, next, durationMs });
  }

  abort(lease: Lease, error: DocktorError): void {
    const { partition, epoch } = lease;
    const pump = this.#pumpOf(lease);
    // Lost before its claim was told of.
    if (pump === undefined) return;
    void pump.abort().then(() => {
      if (this.#pumps.get(partition) === pump) this.#pumps.delete(partition);
    });
    this.#options.tell("partition:lost", { partition, epoch, reason: reasonFor(error), error });
  }

  #pumpOf(lease: Lease): Pump | undefined {
    const pump = this.#pumps.get(lease.partition);
    return pump?.lease === lease ? pump : undefined;
  }

  #tellGap({ partition, epoch, checkpoint }: Lease, { first, last }: Gap): void {
    // What was gone before the group began was never for it to handle.
    if (checkpoint.previous === undefined && first === 1) return;
    this.#options.tell("partition:gap", { partition, epoch, first, last });
  }

  /** Says so when the stream is not the one, or not in the state, that the checkpoint was about. */
  #tellRestart({ partition, checkpoint }: Lease): void {
    const { settings, onError } = this.#options;
    const { previous, sequence } = checkpoint;
    if (previous === undefined || previous.sequence === sequence) return;
    const what =
      previous.stream === checkpoint.stream
        ? `stream ${settings.stream} was set back to sequence ${sequence}, although partition ${partition} was handled up to ${previous.sequence}`
        : `stream ${settings.stream} is not the one created at ${previous.stream}, of which partition ${partition} was handled up to sequence ${previous.sequence}`;
    onError(
      new DocktorError(
        "MESSAGES_MISSING",
        `${what}: what came after is gone; going on with the stream's messages after ${sequence}`,
      ),
    );
  }
}

function reasonFor(error: DocktorError): LostReason {
  if (error.code === "FENCED") return "fenced";
  if (error.code === "SESSION_LOST") return "session-lost";
  return error.code === "CLOSED" ? "closed" : "failed";
}
