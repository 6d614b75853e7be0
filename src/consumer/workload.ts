/** A member's pumps: starts and ends the flow of each partition as its lease comes and goes. */
import PQueue from "p-queue";
import { aborted, inTime, systemClock } from "../clock.ts";
import { DocktorError, type ErrorCode } from "../errors.ts";
import type { LostReason, Tell } from "../events.ts";
import type { StreamPosition } from "../lease/checkpoint.ts";
import type { Lease } from "../lease/lease.ts";
import type { MemberWork } from "../lease/records.ts";
import { readStream } from "../nats/stream.ts";
import { durableName } from "../partition/names.ts";
import type { Expected, PartitionWork } from "../partition/ownership.ts";
import { Breather } from "./handling/breather.ts";
import { DeadLetterStream } from "./dead-letters/dead-letter-stream.ts";
import { Credit, mostHeld } from "./delivery/credit.ts";
import { Delivery, type Gap } from "./delivery/delivery.ts";
import { type Dispatch, dispatchFor } from "./handling/dispatch.ts";
import { DURABLE_SETTINGS, type Queues } from "./delivery/durable.ts";
import { freshly } from "./freshly.ts";
import { GapWatch } from "./gap-watch.ts";
import type { Handlers } from "./handlers.ts";
import type { ConsumerSettings } from "./options.ts";
import { PoisonOfPartition } from "./dead-letters/poison.ts";
import { Pump } from "./pump.ts";
import type { Resources } from "./resources.ts";
import { StallWatch } from "./stall-watch.ts";
import { lookAtStream } from "./stream-look.ts";
import { WorkMeter } from "./work-meter.ts";

/** In a TTL, so many times the server shows that it still delivers; two missing ones are noticed. */
const HEARTBEATS = 3;
/** But no more often than this for each partition of the group: 200 times a second for all of them. */
const HEARTBEAT_MS_PER_PARTITION = 5;
const LONGEST_HEARTBEAT_MS = 5_000;

/**
 * How many bytes of messages a member holds altogether; of each partition at least one message, however large. Half of what
 * nats-server holds for a connection that does not read (`max_pending`, 64 MiB): it cuts one that has asked for more
 * when its thread is blocked for a while.
 */
const MOST_BYTES = 32 * 1_024 * 1_024;

/** What the pumps need. */
export interface WorkloadOptions {
  settings: ConsumerSettings;
  resources: Resources;
  handlers: Handlers;
  tell: Tell;
  /** Deliveries of a partition broke off although its lease holds. */
  onInterrupted: (lease: Lease) => void;
  /** Work on a partition does not get on here, and another member may try. */
  onCutOff: (lease: Lease, reason: DocktorError) => void;
  onError: (error: DocktorError) => void;
}

/** The work on all partitions of one member. */
export class Workload implements PartitionWork {
  readonly durableSettings: string = DURABLE_SETTINGS;
  readonly #options: WorkloadOptions;
  readonly #dispatch: Dispatch;
  /** What handlers wait for, if so many at most may be under way at a time. */
  readonly #gate: PQueue | undefined;
  /** By partition; one whose lease is lost stays until its last handler has returned. */
  readonly #pumps = new Map<number, Pump>();
  /** What was asked for ahead of a claim. */
  readonly #expected = new Set<Delivery>();
  readonly #breather = new Breather();
  readonly #queues: Queues = {
    creations: new PQueue({ concurrency: 1 }),
    preparations: new PQueue({ concurrency: 1 }),
  };
  readonly #meter = new WorkMeter();
  readonly #gaps: GapWatch<Pump>;
  /** The stream as it is after the call. */
  readonly lookAtStream: (known?: StreamPosition) => Promise<StreamPosition>;
  readonly #stalls: StallWatch<Pump>;

  constructor(options: WorkloadOptions) {
    this.#options = options;
    const { concurrency, perMember } = options.settings;
    this.#dispatch = dispatchFor(options.handlers, concurrency);
    this.#gate = perMember === undefined ? undefined : new PQueue({ concurrency: perMember });
    const { resources } = options;
    const look = freshly(() => readStream(resources.link.manager, options.settings.stream));
    this.lookAtStream = (known) => lookAtStream(look, resources.replicas, known);
    this.#gaps = new GapWatch({
      look,
      pumps: () => this.#working,
      onGap: ({ lease }, gap) => this.#tellGap(lease, gap),
      onError: options.onError,
    });
    this.#stalls = new StallWatch({
      clock: systemClock,
      afterMs: options.settings.stallAfterMs,
      pumps: () => this.#working,
      onStalled: (pump, sequence, stalledMs) => void this.#onStalled(pump, sequence, stalledMs),
    });
  }

  /** What the handlers have done so far. */
  done(): MemberWork {
    const { concurrency, perMember = Infinity } = this.#options.settings;
    const ofPartitions = this.#pumps.size * (concurrency?.perPartition ?? 1);
    return this.#meter.read(Math.min(perMember, ofPartitions));
  }

  /** Opens the group's dead letters; their stream is created when it is missing. */
  readonly openLetters = async (): Promise<DeadLetterStream> => {
    const { settings, resources } = this.#options;
    const origin = { name: settings.stream, num_replicas: resources.replicas };
    // Each time anew: an operator may have deleted the stream, and with it all letters.
    return await DeadLetterStream.open(resources.link, origin);
  };

  /** The pumps whose lease is not lost. */
  get #working(): Pump[] {
    return [...this.#pumps.values()].filter(({ lease }) => !lease.lost.aborted);
  }

  /** The leases being worked on. */
  get leases(): Lease[] {
    return [...this.#pumps.values()].map((pump) => pump.lease);
  }

  expect(partition: number, epoch: number): Expected {
    const delivery = this.#deliver(partition, epoch);
    this.#expected.add(delivery);
    return {
      start: async (lease) => await this.start(lease, delivery),
      close: () => {
        this.#expected.delete(delivery);
        delivery.close();
      },
    };
  }

  /** The connection was cut: what was on its way is lost. */
  interrupt(): void {
    for (const lease of this.leases) this.#options.onInterrupted(lease);
    for (const delivery of this.#expected) delivery.interrupt();
  }

  /** @param expected what was asked for while the partition was claimed */
  async start(lease: Lease, expected?: Delivery): Promise<void> {
    const { settings, resources, tell, onInterrupted, onError } = this.#options;
    const { partition, epoch } = lease;
    await this.#outlive(this.#pumps.get(partition), lease.lost);
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
      deliver: () => this.#deliver(partition, epoch),
      limitBytes: () => MOST_BYTES / Math.max(1, this.#pumps.size + this.#expected.size),
      poison: this.#poisonOf(lease),
      breather: this.#breather,
      meter: this.#meter,
      gate: this.#gate,
      queues: this.#queues,
      onCommitted: (sequence) => tell("commit", { partition, epoch, sequence }),
      onInterrupted: () => onInterrupted(lease),
      onError,
    });
    this.#pumps.set(partition, pump);
    if (expected !== undefined) this.#expected.delete(expected);
    this.#stalls.start();
    await pump.start(expected);
    // A work queue removes what is handled: nothing is missing there.
    if (!resources.workQueue) void this.#gaps.check();
  }

  async prepare(lease: Lease): Promise<boolean> {
    const pump = this.#pumpOf(lease);
    const { resources } = this.#options;
    // A work queue permits one consumer a subject.
    if (pump === undefined || resources.workQueue) return false;
    try {
      const after = await pump.prepareNext();
      const { created, lastSequence } = await this.lookAtStream();
      const sameStream = created === lease.checkpoint.created;
      // Commits go on meanwhile.
      const reached = Math.max(after ?? Infinity, lease.checkpoint.sequence);
      return sameStream && lastSequence >= reached;
    } catch {
      // The next owner does it itself.
      return false;
    }
  }

  async flush(lease: Lease): Promise<void> {
    await this.#pumpOf(lease)?.flush();
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
    this.#options.tell("partition:lost", {
      partition,
      epoch,
      reason: REASONS[error.code] ?? "failed",
      error,
    });
  }

  async #onStalled(pump: Pump, sequence: number, underWayMs: number): Promise<void> {
    const { settings, tell, onCutOff, onInterrupted } = this.#options;
    const stalledMs = Math.round(underWayMs);
    const { lease } = pump;
    const { partition, epoch } = lease;
    tell("partition:stalled", { partition, epoch, sequence, stalledMs });
    const again = pump.noteStall(`under way for ${stalledMs} ms`);
    if (again && settings.poison.policy === "block") return;
    if (again) await pump.setStalledAside();
    const then = again ? "it has hung before, and is set aside" : "another member is to try";
    onCutOff(lease, stalled(lease, sequence, stalledMs, then));
    // Where there is no other member, this one starts anew behind the message.
    if (again) onInterrupted(lease);
  }

  /**
   * Waits for handlers that have outlived an earlier lease: one at a time, in order. One that does not
   * heed its signal may not hold the partition for ever, though: another member would go on, too. Nor does it
   * wait once the new lease is lost: what was asked for ahead would stay open.
   */
  async #outlive(pump: Pump | undefined, lost: AbortSignal): Promise<void> {
    if (pump !== undefined) {
      const over = Promise.race([pump.abort(), aborted(lost)]);
      await inTime(systemClock, this.#options.settings.drainTimeoutMs, over);
    }
  }

  #deliver(partition: number, epoch: number): Delivery {
    const { settings, resources } = this.#options;
    return new Delivery({
      link: resources.link,
      stream: settings.stream,
      durable: durableName(settings.group, partition, epoch),
      workQueue: resources.workQueue,
      heartbeatMs: heartbeatMs(settings.ttlMs, resources.partitions),
      askedAhead: {
        messages: new Credit(mostHeld(settings.commit.window)).limit,
        // Those of all partitions may be asked for at once.
        bytes: MOST_BYTES / resources.partitions,
      },
    });
  }

  #poisonOf({ partition, epoch }: Lease): PoisonOfPartition {
    const { settings, tell } = this.#options;
    const { poison, group, memberId } = settings;
    return new PoisonOfPartition({
      settings: poison,
      letters: this.openLetters,
      group,
      memberId,
      partition,
      onSetAside: ({ message, reason, attempts, deadLetter }) => {
        const { sequence, key } = message;
        const what = { partition, epoch, sequence, key, reason, attempts, deadLetter };
        tell("message:dead-lettered", what);
      },
    });
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
      previous.created === checkpoint.created
        ? `stream ${settings.stream} was set back to sequence ${sequence}, although partition ${partition} was handled up to ${previous.sequence}`
        : `stream ${settings.stream} is not the one created at ${previous.created}, of which partition ${partition} was handled up to sequence ${previous.sequence}`;
    onError(
      new DocktorError(
        "MESSAGES_MISSING",
        `${what}: what came after is gone; going on with the stream's messages after ${sequence}`,
      ),
    );
  }
}

/** Whole milliseconds: the server refuses a fraction of a nanosecond. */
function heartbeatMs(ttlMs: number, partitions: number): number {
  const wanted = Math.max(Math.round(ttlMs / HEARTBEATS), partitions * HEARTBEAT_MS_PER_PARTITION);
  return Math.min(Math.max(500, wanted), LONGEST_HEARTBEAT_MS);
}

function stalled(
  { partition }: Lease,
  sequence: number,
  stalledMs: number,
  then: string,
): DocktorError {
  return new DocktorError(
    "STALLED",
    `message ${sequence} of partition ${partition} has been under way for ${stalledMs} ms: ${then}`,
  );
}

const REASONS: Partial<Record<ErrorCode, LostReason>> = {
  FENCED: "fenced",
  SESSION_LOST: "session-lost",
  STALLED: "stalled",
  DRAIN_TIMEOUT: "drain-timeout",
  CLOSED: "closed",
};
