/** Scales the services of a configuration, each in a loop of its own, and follows the file as it is edited. */
import { statSync } from "node:fs";
import { type Clock, slept, systemClock } from "../clock.ts";
import { messageOf, toDocktorError } from "../errors.ts";
import type { ScalerConfig, ServiceConfig } from "./config/config.ts";
import { loadConfig } from "./config/load.ts";
import type { DecisionLog } from "./decision-log.ts";
import { createDriver } from "./drivers/create.ts";
import type { Driver } from "./drivers/driver.ts";
import { Leader, leaderKey, openLeaders } from "./leader.ts";
import { type Report, Service } from "./service.ts";
import { NatsQueue } from "./signals/nats.ts";
import "./signals/kinds.ts";
import { createQueue, type QueueReader } from "./signals/queue.ts";

/** How often the file is looked at, and how long to wait before what failed is tried again, in milliseconds. */
const LOOK_MS = 1_000;
const RETRY_MS = 2_000;

/** What a scaler tells. */
export interface ScalerObserver {
  /** A service was looked at. */
  report(report: Report): void;
  /** Something went wrong with a service, or with the file, and is tried again. */
  trouble(service: string | undefined, message: string): void;
  /** Another scaler leads; this one takes over when that one is gone. */
  standsBy(service: string): void;
  /** This one leads from now on. */
  leads(service: string): void;
  /** The file has changed. */
  reloaded(): void;
}

/** What a scaler needs. */
export interface ScalerOptions {
  readonly config: ScalerConfig;
  readonly log: DecisionLog;
  readonly observer: ScalerObserver;
  /** Decide and tell, but do nothing, whatever the file says. */
  readonly dryRun: boolean;
}

/** All services of a file. */
export class Scaler {
  readonly #options: ScalerOptions;
  readonly #clock: Clock = systemClock;
  readonly #running = new Map<string, { stop: AbortController; ended: Promise<void>; keep: Keeper }>();
  #seen: string;

  constructor(options: ScalerOptions) {
    this.#options = options;
    this.#seen = stampOf(options.config.file);
  }

  /** Scales until the signal aborts. Never rejects. */
  async run(signal: AbortSignal): Promise<void> {
    this.#follow(this.#options.config, signal);
    while (await slept(this.#clock, LOOK_MS, signal)) this.#lookAtFile(signal);
    await Promise.all([...this.#running.values()].map(({ ended }) => ended));
  }

  /** Decides once for each service. @throws DocktorError of what is not there */
  async runOnce(signal: AbortSignal): Promise<void> {
    const { config } = this.#options;
    await Promise.all(
      config.services.map(async (service) => {
        const keeper = this.#keeper(service);
        try {
          await keeper.once(signal);
        } finally {
          await keeper.close();
        }
      }),
    );
  }

  #lookAtFile(signal: AbortSignal): void {
    const { config, observer } = this.#options;
    const stamp = stampOf(config.file);
    if (stamp === this.#seen) return;
    this.#seen = stamp;
    try {
      this.#follow(loadConfig(config.file), signal);
      observer.reloaded();
    } catch (error) {
      const message = messageOf(error);
      observer.trouble(undefined, `${message}\nnothing is scaled until it is mended`);
      for (const { keep } of this.#running.values()) keep.hold(`${config.file} cannot be used`);
    }
  }

  /** Starts what is new, ends what is gone, and goes on with the rest. */
  #follow({ services }: ScalerConfig, signal: AbortSignal): void {
    const wanted = new Map(services.map((service) => [service.name, service]));
    for (const [name, { stop, keep }] of this.#running) {
      const service = wanted.get(name);
      if (service !== undefined && keep.update(service)) wanted.delete(name);
      else stop.abort();
    }
    for (const [name, service] of wanted) this.#start(name, service, signal);
  }

  #start(name: string, service: ServiceConfig, signal: AbortSignal): void {
    const before = this.#running.get(name)?.ended;
    const stop = new AbortController();
    const keep = this.#keeper(service);
    const ended = (async () => {
      await before;
      await keep.run(AbortSignal.any([signal, stop.signal]));
      if (this.#running.get(name)?.keep === keep) this.#running.delete(name);
    })();
    this.#running.set(name, { stop, ended, keep });
  }

  #keeper(service: ServiceConfig): Keeper {
    const { dryRun } = this.#options;
    return new Keeper(dryRun ? { ...service, dryRun } : service, this.#options);
  }
}

/** One service with all that it needs: opened, kept open, and closed. */
class Keeper {
  #config: ServiceConfig;
  readonly #options: ScalerOptions;
  readonly #queue: QueueReader | undefined;
  #driver: Driver | undefined;
  #leader: Leader | undefined;
  #service: Service | undefined;
  #heldBy: string | undefined;

  constructor(config: ServiceConfig, options: ScalerOptions) {
    this.#config = config;
    this.#options = options;
    this.#queue = config.queue === undefined ? undefined : createQueue(config.queue);
  }

  /** Goes by these settings from now on; false where what it works on, or runs on, has become another. */
  update(config: ServiceConfig): boolean {
    const { target, queue } = this.#config;
    if (JSON.stringify([target, queue]) !== JSON.stringify([config.target, config.queue])) return false;
    const { dryRun } = this.#options;
    this.#config = dryRun ? { ...config, dryRun } : config;
    this.#heldBy = undefined;
    if (this.#service !== undefined) {
      this.#service.config = this.#config;
      this.#service.heldBy = undefined;
    }
    return true;
  }

  /** Decides nothing until there are settings again. */
  hold(why: string): void {
    this.#heldBy = why;
    if (this.#service !== undefined) this.#service.heldBy = why;
  }

  /** Scales it until the signal aborts, and begins anew whenever it no longer leads. Never rejects. */
  async run(signal: AbortSignal): Promise<void> {
    const { observer } = this.#options;
    const { name } = this.#config;
    do {
      try {
        await this.#open(signal);
        await this.#lead(signal, () => observer.standsBy(name));
        observer.leads(name);
        const until = [signal, ...(this.#leader?.lost === undefined ? [] : [this.#leader.lost])];
        await this.#serve().run(AbortSignal.any(until));
        if (!signal.aborted) observer.trouble(name, "another scaler may lead by now");
        // Replicas that are this process's own must not go on beside those of the next leader.
        await this.#driver?.close();
        this.#driver = this.#service = undefined;
      } catch (error) {
        if (!signal.aborted) observer.trouble(name, messageOf(error));
      }
    } while (await slept(systemClock, RETRY_MS, signal));
    await this.close();
  }

  /** Decides once; it need not lead unless it acts. */
  async once(signal: AbortSignal): Promise<void> {
    const { observer } = this.#options;
    const { name, dryRun } = this.#config;
    await this.#open(signal);
    if (!dryRun) await this.#lead(signal, () => observer.standsBy(name));
    await this.#serve().runOnce(signal);
  }

  async close(): Promise<void> {
    const { observer } = this.#options;
    const trouble = (error: unknown): void => {
      observer.trouble(this.#config.name, toDocktorError(error).message);
    };
    await this.#driver?.close().catch(trouble);
    await this.#leader?.end().catch(trouble);
    await this.#queue?.close().catch(trouble);
  }

  async #open(signal: AbortSignal): Promise<void> {
    const { name, target } = this.#config;
    await this.#queue?.connect();
    this.#driver ??= await createDriver(target, name);
    await this.#driver.check(signal);
  }

  /** Only who has a place in NATS can tell whether there is another. */
  async #lead(signal: AbortSignal, onStandBy: () => void): Promise<void> {
    const { queue } = this.#config;
    if (!(this.#queue instanceof NatsQueue) || queue === undefined) return;
    this.#leader ??= new Leader(
      await openLeaders(this.#queue.link),
      leaderKey(queue.stream, queue.consumer),
    );
    await this.#leader.take(signal, onStandBy);
  }

  #serve(): Service {
    const { log, observer } = this.#options;
    if (this.#driver === undefined) throw new Error("the driver is not open");
    this.#service ??= new Service(this.#config, {
      driver: this.#driver,
      queue: this.#queue,
      mayAct: () => this.#leader === undefined || this.#leader.leads,
      log,
      onReport: (report) => observer.report(report),
      onTrouble: (service, message) => observer.trouble(service, message),
    });
    this.#service.heldBy = this.#heldBy;
    return this.#service;
  }
}

/** Tells one state of the file from another. */
function stampOf(file: string): string {
  const { mtimeMs = 0, size = 0 } = statSync(file, { throwIfNoEntry: false }) ?? {};
  return `${mtimeMs} ${size}`;
}
