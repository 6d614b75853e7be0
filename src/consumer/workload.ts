/** A member's pumps: starts and ends the flow of each partition as its lease comes and goes. */
import type { StreamInfo } from "@nats-io/jetstream";
import PQueue from "p-queue";
import { systemClock } from "../clock.ts";
import { DocktorError } from "../errors.ts";
import type { ConsumerEvents, LostReason } from "../events.ts";
import type { Lease } from "../lease/lease.ts";
import type { PartitionWork } from "../partition/rebalancer.ts";
import { Breather } from "./breather.ts";
import { type Dispatch, dispatchFor } from "./dispatch.ts";
import type { Handlers } from "./handlers.ts";
import type { ConsumerSettings } from "./options.ts";
import { Pump } from "./pump.ts";
import { readStream, type Resources } from "./resources.ts";

/** Emits a consumer's event. */
type Tell = <Name extends keyof ConsumerEvents>(event: Name, ...args: ConsumerEvents[Name]) => void;

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
  #reading: Promise<StreamInfo> | undefined;

  constructor(options: WorkloadOptions) {
    this.#options = options;
    this.#dispatch = dispatchFor(options.handlers, options.settings.concurrency);
  }

  /** The leases being worked on. */
  get leases(): Lease[] {
    return [...this.#pumps.values()].map((pump) => pump.lease);
  }

  /** When the stream was created; claims at the same time share one look. */
  async streamCreated(): Promise<string> {
    return (await this.#stream()).created;
  }

  async start(lease: Lease): Promise<void> {
    const { settings, resources, tell, onInterrupted, onError } = this.#options;
    const { partition, epoch } = lease;
    // A handler that outlived an earlier lease must end first: one at a time, in order.
    await this.#pumps.get(partition)?.abort();
    await this.#skipGap(lease);
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
  }

  async prepare(lease: Lease): Promise<void> {
    await this.#pumpOf(lease)?.prepareNext();
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

  #stream(): Promise<StreamInfo> {
    const { resources, settings } = this.#options;
    this.#reading ??= readStream(resources.link, settings.stream).finally(() => {
      this.#reading = undefined;
    });
    return this.#reading;
  }

  /** Says so when messages were removed before anyone had handled them, and goes on behind them. */
  async #skipGap(lease: Lease): Promise<void> {
    const { resources, tell } = this.#options;
    const { partition, epoch, checkpoint } = lease;
    if (checkpoint.restarted) return this.#reportRestart(lease);
    // A work queue removes what is handled: nothing is missing there.
    if (resources.workQueue) return;
    const first = checkpoint.sequence + 1;
    const last = (await this.#stream()).state.first_seq - 1;
    if (last < first) return;
    await lease.commit(last);
    // What was gone before the group began was never for it to handle.
    if (checkpoint.previous !== undefined) tell("partition:gap", { partition, epoch, first, last });
  }

  #reportRestart(lease: Lease): void {
    const { settings, onError } = this.#options;
    const { sequence, stream } = lease.checkpoint.previous ?? { sequence: 0, stream: "" };
    onError(
      new DocktorError(
        "MESSAGES_MISSING",
        `stream ${settings.stream} is not the one created at ${stream}, of which partition ${lease.partition} was handled up to sequence ${sequence}: what came after is gone; starting at the new stream's first message`,
      ),
    );
  }
}

function reasonFor(error: DocktorError): LostReason {
  if (error.code === "FENCED") return "fenced";
  if (error.code === "SESSION_LOST") return "session-lost";
  return error.code === "CLOSED" ? "closed" : "failed";
}
