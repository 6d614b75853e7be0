/** One service with all that scaling it needs: opened, led, kept going, and closed. */
import { aborted, anyOf, slept, systemClock } from "../clock.ts";
import { DocktorError, toDocktorError } from "../errors.ts";
import { readStream } from "../nats/stream.ts";
import type { ServiceConfig } from "./config/config.ts";
import { ControlLoop, type ScalerReport } from "./control-loop.ts";
import type { DecisionLog } from "./decision-log.ts";
import { createDriver } from "./drivers/create.ts";
import type { Driver } from "./drivers/driver.ts";
import { Leader, leaderKey, openLeaders } from "./leader.ts";
import { NatsQueue } from "./signals/nats.ts";
import type { QueueReader } from "./signals/queue.ts";
import { createQueue } from "./signals/registry.ts";

/** How long to wait before what failed is tried again, in milliseconds. */
const RETRY_MS = 2_000;

/** What a runner needs, and whom it tells. */
export interface ServiceRunnerOptions {
  readonly decisionLog: DecisionLog | undefined;
  readonly onDecision: (report: ScalerReport) => void;
  /** Something went wrong, and is tried again. */
  readonly onError: (error: DocktorError) => void;
  /** Another scaler leads; this one takes over when that one is gone. */
  readonly onStandby: () => void;
  /** This one leads from now on. */
  readonly onLeading: () => void;
}

/** Runs one service. */
export class ServiceRunner {
  #config: ServiceConfig;
  readonly #options: ServiceRunnerOptions;
  readonly #queue: QueueReader | undefined;
  #driver: Driver | undefined;
  #leader: Leader | undefined;
  #loop: ControlLoop | undefined;
  #heldBecause: string | undefined;

  constructor(config: ServiceConfig, options: ServiceRunnerOptions) {
    this.#config = config;
    this.#options = options;
    this.#queue = config.queue === undefined ? undefined : createQueue(config.queue);
  }

  /** Goes by these settings from now on; false where that takes another runner, as for another target. */
  update(config: ServiceConfig): boolean {
    const essence = ({ target, queue, dryRun }: ServiceConfig): string =>
      JSON.stringify([target, queue, dryRun]);
    if (essence(config) !== essence(this.#config)) return false;
    this.#config = config;
    this.#heldBecause = undefined;
    if (this.#loop !== undefined) {
      this.#loop.config = config;
      this.#loop.heldBecause = undefined;
    }
    return true;
  }

  /** Changes nothing until there are settings again. */
  hold(because: string): void {
    this.#heldBecause = because;
    if (this.#loop !== undefined) this.#loop.heldBecause = because;
  }

  /** Makes sure that all it needs is there. @throws DocktorError of what is not there */
  async prepare(signal: AbortSignal): Promise<void> {
    await this.#open(signal);
    await this.#queue?.validate("stream");
  }

  /** Scales it until the signal aborts. Never rejects. */
  async run(signal: AbortSignal): Promise<void> {
    const { onError } = this.#options;
    do {
      try {
        await this.#open(signal);
        await this.#lead(signal);
        await this.#scale(signal);
      } catch (error) {
        if (!signal.aborted) onError(toDocktorError(error));
      }
    } while (await slept(systemClock, RETRY_MS, signal));
    await this.close();
  }

  /**
   * Decides once, and carries it out.
   *
   * @throws DocktorError of what is not there; SCALER_STANDBY when another scaler leads
   */
  async runOnce(signal: AbortSignal): Promise<void> {
    await this.#open(signal);
    const leader = await this.#findLeader();
    if (leader !== undefined && !(await leader.tryToTake(signal))) {
      throw new DocktorError(
        "SCALER_STANDBY",
        `another scaler leads ${this.#config.name}, and sees to it: stop that one first, or leave it to it`,
      );
    }
    await this.#openLoop().runOnce(signal);
  }

  async close(): Promise<void> {
    const { onError } = this.#options;
    const complain = (error: unknown): void => onError(toDocktorError(error));
    await this.#driver?.close().catch(complain);
    await this.#leader?.end().catch(complain);
    await this.#queue?.close().catch(complain);
  }

  async #open(signal: AbortSignal): Promise<void> {
    const { name, target } = this.#config;
    await this.#queue?.connect();
    this.#driver ??= await createDriver(target, name);
    await this.#driver.check(signal);
  }

  /** Waits until this one leads. */
  async #lead(signal: AbortSignal): Promise<void> {
    const { onStandby, onLeading } = this.#options;
    const leader = await this.#findLeader();
    await leader?.take(signal, onStandby);
    if (!this.#config.dryRun) onLeading();
  }

  /** Only who has a place in NATS can tell whether there is another; and who does nothing needs none. */
  async #findLeader(): Promise<Leader | undefined> {
    const { queue, dryRun } = this.#config;
    if (dryRun || queue === undefined || !(this.#queue instanceof NatsQueue)) return undefined;
    const { link } = this.#queue;
    if (this.#leader?.link === link) return this.#leader;
    const { config } = await readStream(link.manager, queue.stream);
    const store = await openLeaders(link, config.num_replicas);
    this.#leader = new Leader(link, store, leaderKey(queue.stream, queue.consumer));
    return this.#leader;
  }

  /** Scales until the signal aborts, or another scaler leads. */
  async #scale(signal: AbortSignal): Promise<void> {
    const replaced = new AbortController();
    const looping = this.#openLoop().run(anyOf(signal, replaced.signal));
    try {
      await this.#keepLeading(signal);
    } finally {
      replaced.abort();
      await looping;
    }
    if (signal.aborted) return;
    // Replicas that are this process's own must not go on beside those of the next leader.
    await this.#driver?.close();
    this.#driver = this.#loop = undefined;
  }

  /**
   * Resolves once another scaler leads, or the signal aborts. A server that is away takes the lead from everybody: until
   * it is back nothing is changed, and nothing is stopped either.
   */
  async #keepLeading(signal: AbortSignal): Promise<void> {
    const leader = this.#leader;
    const { onError, onLeading } = this.#options;
    for (;;) {
      await aborted(leader === undefined ? signal : anyOf(signal, leader.lost));
      if (signal.aborted || leader === undefined) return;
      const message =
        "this scaler could not renew its place as leader, and changes nothing until it has it again";
      onError(new DocktorError("SESSION_LOST", message, { cause: leader.lost.reason }));
      while (!leader.leads) {
        try {
          if (!(await leader.tryToTake(signal))) return;
          onLeading();
        } catch (error) {
          if (!(await slept(systemClock, RETRY_MS, signal))) return;
          if (this.#queue instanceof NatsQueue && this.#queue.isClosed) throw error;
        }
      }
    }
  }

  #openLoop(): ControlLoop {
    const { decisionLog, onDecision, onError } = this.#options;
    if (this.#driver === undefined) throw new Error("the driver is not open");
    this.#loop ??= new ControlLoop(this.#config, {
      driver: this.#driver,
      queue: this.#queue,
      mayAct: () => this.#leader === undefined || this.#leader.leads,
      decisionLog,
      onDecision,
      onError,
    });
    this.#loop.heldBecause = this.#heldBecause;
    return this.#loop;
  }
}
