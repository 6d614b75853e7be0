/**
 * One partition's messages, from its durable through the handler to the commit, for as
 * long as its lease lasts.
 */
import type PQueue from "p-queue";
import { type Clock, slept } from "../clock.ts";
import { type DocktorError, toDocktorError } from "../errors.ts";
import type { Lease } from "../lease/lease.ts";
import type { Link } from "../nats/connection.ts";
import type { Breather } from "./handling/breather.ts";
import { Committer } from "./committer.ts";
import { Credit, mostHeld } from "./delivery/credit.ts";
import type { Delivered } from "./delivery/delivered.ts";
import type { Delivery, Gap } from "./delivery/delivery.ts";
import type { Dispatch, Intake } from "./handling/dispatch.ts";
import type { Queues } from "./delivery/durable.ts";
import { Durables } from "./delivery/durables.ts";
import type { Watched } from "./gap-watch.ts";
import { type Call, Handling, type Outcome } from "./handling/handling.ts";
import { Held } from "./handling/held.ts";
import type { Message } from "./message.ts";
import type { PoisonOfPartition } from "./dead-letters/poison.ts";
import { Progress } from "./progress.ts";
import type { Stallable } from "./stall-watch.ts";
import type { WorkMeter } from "./work-meter.ts";

/** How long to wait with a partition of which nothing has come, before it is claimed anew. */
const PAUSE_MS = 250;

/** What a pump needs. */
export interface PumpOptions {
  clock: Clock;
  link: Link;
  lease: Lease;
  stream: string;
  workQueue: boolean;
  subject: string;
  group: string;
  dispatch: Dispatch;
  commit: { intervalMs: number; window: number };
  /** Asks for the messages of the epoch's durable. */
  deliver: () => Delivery;
  /** How many bytes of messages may be held. */
  limitBytes: () => number;
  poison: PoisonOfPartition;
  /** The member's: its handlers share one event loop. */
  breather: Breather;
  /** The member's. */
  meter: WorkMeter;
  /** The member's; undefined where any number of handlers may be under way. */
  gate: PQueue | undefined;
  /** The member's. */
  queues: Queues;
  onCommitted: (sequence: number) => void;
  /** Deliveries broke off although the lease holds: the partition must be claimed anew. */
  onInterrupted: () => void;
  onError: (error: DocktorError) => void;
}

/** The flow of one partition. */
export class Pump implements Watched, Stallable {
  readonly lease: Lease;
  readonly #options: PumpOptions;
  readonly #progress: Progress<Delivered>;
  readonly #held: Held;
  readonly #credit: Credit;
  readonly #committer: Committer<Delivered>;
  readonly #handling: Handling;
  readonly #durables: Durables;
  /** Aborts when no further handler may start, whether handing over or lost. */
  readonly #ending = new AbortController();
  /** What the handler is being called with, by the first sequence. */
  readonly #calls = new Map<number, readonly Message[]>();
  #committed = false;
  #lastStarted = 0;
  #mustReach = 0;
  #delivery: Delivery | undefined;
  #dispatching: Promise<void> = Promise.resolve();

  constructor(options: PumpOptions) {
    this.#options = options;
    this.lease = options.lease;
    this.#progress = new Progress(options.workQueue, (delivered) => this.#held.cleared(delivered));
    this.#committer = new Committer({
      lease: options.lease,
      progress: this.#progress,
      ...options.commit,
      onCommitted: (sequence) => {
        this.#committed = true;
        options.onCommitted(sequence);
        this.#held.wake();
      },
      onError: (error) => options.onError(toDocktorError(error)),
    });
    this.#handling = new Handling({
      clock: options.clock,
      lease: options.lease,
      poison: options.poison,
      mayStart: (sequence) => this.#mayStart(sequence),
      ended: this.#ending.signal,
      owed: (sequence) => this.lease.trusted() && sequence < this.#mustReach,
      onTrouble: () => this.#committer.note(),
      onError: options.onError,
    });
    const { window } = options.commit;
    this.#durables = new Durables({
      ...options,
      ...options.queues,
      maxAckPending: window + mostHeld(window),
      handled: () => this.#progress.floor?.sequence ?? this.lease.checkpoint.sequence,
      ended: this.#ending.signal,
      onError: (error) => options.onError(toDocktorError(error)),
    });
    this.#credit = new Credit(mostHeld(window));
    const troubles = [...options.lease.checkpoint.troubles.values()];
    this.#held = new Held({
      partition: options.lease.partition,
      progress: this.#progress,
      breather: options.breather,
      window,
      // Something among what was under way has hung: which one shows only alone.
      singly: troubles.some(({ stalled }) => stalled) ? window : 0,
      readReplay: (delivered) => this.#handling.read(delivered),
      onEmpty: () => {
        // The wait for the first message says nothing of the handler.
        if (this.#delivery?.receivedAny !== true || !this.#delivery.behind) return;
        this.#credit.starved();
        this.#delivery.more();
      },
      onFinished: (count) => {
        this.#credit.handled(count, options.breather.turnedAt);
        this.#delivery?.more();
        this.#committer.advance();
      },
    });
    options.lease.lost.addEventListener("abort", () => void this.abort(), { once: true });
  }

  get position(): number {
    return this.#delivery?.position ?? this.lease.checkpoint.sequence;
  }

  get oldest(): number | undefined {
    return this.#calls.size === 0 ? undefined : Math.min(...this.#calls.keys());
  }

  /** Counts the hanging of the oldest message as a failure; returns whether it has hung before. */
  noteStall(error: string): boolean {
    const { oldest } = this;
    if (oldest === undefined) return false;
    const { troubles } = this.lease.checkpoint;
    const before = troubles.get(oldest);
    troubles.set(oldest, { failures: (before?.failures ?? 0) + 1, error, stalled: true });
    this.#committer.note();
    return before?.stalled === true;
  }

  /**
   * Sets the oldest message aside, although its handler has not returned. One of a batch stays: any
   * of the batch may be to blame.
   */
  async setStalledAside(): Promise<void> {
    const [message, ...others] = this.#calls.get(this.oldest ?? 0) ?? [];
    if (message === undefined || others.length > 0) return;
    const outcome = await this.#handling.setAside(message, "stalled");
    if (outcome === "handled") this.#held.finish([message]);
  }

  gapsUpTo(last: number): readonly Gap[] {
    return this.#delivery?.gapsUpTo(last) ?? [];
  }

  interrupt(): void {
    this.#delivery?.interrupt();
  }

  /**
   * Starts the flow from the checkpoint. Returns once messages may come.
   *
   * @param expected what was asked for while the partition was claimed
   */
  async start(expected?: Delivery): Promise<void> {
    const { lease, poison, breather } = this.#options;
    await poison.open();
    if (!(await this.#durables.open())) return expected?.close();
    const delivery = expected ?? this.#options.deliver();
    if (this.#ending.signal.aborted) return delivery.close();
    this.#delivery = delivery;
    delivery.begin(lease.checkpoint.sequence, {
      limit: () => this.#credit.limit,
      held: () => this.#held.count,
      limitBytes: this.#options.limitBytes,
      heldBytes: () => this.#held.bytes,
      onMessage: (delivered) => {
        breather.turned();
        this.#held.add(delivered);
      },
      committed: () => lease.checkpoint.sequence,
      onInterrupted: () => void this.#interrupted(),
    });
    this.#dispatching = this.#options.dispatch(this.#intake());
    this.#durables.tidy();
  }

  /** Makes the next epoch's durable; returns behind which sequence it begins, or undefined if it will not do. */
  async prepareNext(): Promise<number | undefined> {
    return await this.#durables.prepareNext();
  }

  /** Commits what is handled so far. @throws DocktorError FENCED, SESSION_LOST, TIMEOUT */
  async flush(): Promise<void> {
    await this.#committer.flush();
  }

  /**
   * Ends the flow in good order: the handlers under way finish, and what is handled is committed.
   *
   * @throws DocktorError FENCED, SESSION_LOST, TIMEOUT when it could not be committed
   */
  async finish(): Promise<void> {
    this.#end();
    await this.#dispatching;
    try {
      await this.#committer.flush();
      await this.#durables.tidied();
      // Else a partition without messages would carry its past durables along for ever.
      const { checkpoint } = this.lease;
      if (checkpoint.previous !== undefined && !this.#committed) {
        await this.lease.commit(this.#delivery?.receivedAny ? checkpoint.sequence : this.position);
      }
    } finally {
      this.#committer.stop();
    }
  }

  /** Ends the flow at once, its lease being lost; resolves when no handler runs any more. */
  async abort(): Promise<void> {
    this.#end();
    this.#committer.stop();
    await this.#dispatching;
  }

  /** Where nothing has come at all, the next durable may fare no better, and there is to be no rush of them. */
  async #interrupted(): Promise<void> {
    const { clock, onInterrupted } = this.#options;
    if (this.#delivery?.heard !== true) await slept(clock, PAUSE_MS, this.#ending.signal);
    onInterrupted();
  }

  #end(): void {
    if (!this.#ending.signal.aborted) this.#mustReach = this.#lastStarted;
    this.#ending.abort();
    this.#delivery?.close();
    this.#held.close();
  }

  #intake(): Intake {
    const { lease } = this.#options;
    return {
      context: { signal: lease.lost, epoch: lease.epoch },
      takeNow: (max) => this.#held.takeNow(max),
      take: (max) => this.#held.take(max),
      handle: (messages, call) => {
        const { gate } = this.#options;
        if (gate === undefined) return this.#handle(messages, call);
        return gate.add(async () => await this.#handle(messages, call));
      },
    };
  }

  /**
   * While handing over, only what lies before a message already started may still start:
   * without it, what is handled beyond could not be committed and would be handled twice.
   */
  #mayStart(sequence: number): boolean {
    if (!this.lease.trusted()) return false;
    if (this.#ending.signal.aborted && sequence > this.#mustReach) return false;
    this.#lastStarted = Math.max(this.#lastStarted, sequence);
    return true;
  }

  #handle(messages: readonly Message[], call: Call): Outcome | Promise<Outcome> {
    const handling = this.#handling.handle(messages, call);
    if (typeof handling === "string") return this.#handled(messages, handling);
    const first = messages[0]?.sequence ?? 0;
    this.#calls.set(first, messages);
    this.#options.meter.began();
    return handling.then((outcome) => {
      this.#calls.delete(first);
      this.#options.meter.ended();
      return this.#handled(messages, outcome);
    });
  }

  #handled(messages: readonly Message[], outcome: Outcome): Outcome {
    if (outcome === "handled") {
      this.#options.meter.processed += messages.length;
      this.#held.finish(messages);
    }
    return outcome;
  }
}
