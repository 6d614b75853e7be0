/** Scales the services of a configuration, each by a loop of its own, and follows the file as it is edited. */
import { EventEmitter } from "node:events";
import { statSync } from "node:fs";
import { anyOf, slept, systemClock } from "../clock.ts";
import { DocktorError, messageOf, toDocktorError } from "../errors.ts";
import type { ScalerConfig, ServiceConfig } from "./config/config.ts";
import { loadConfig } from "./config/load.ts";
import type { ScalerReport } from "./control-loop.ts";
import type { DecisionLog } from "./decision-log.ts";
import { ServiceRunner } from "./service-runner.ts";

/** How often the file is looked at, in milliseconds. */
const LOOK_MS = 1_000;
/** How long to wait before settings that could not be used are tried again, in milliseconds. */
const RETRY_MS = 2_000;

/** The events of a scaler: name → arguments of its listeners. */
export interface ScalerEvents {
  /** A service was looked at, and something, or nothing, is to be done. */
  decision: [ScalerReport];
  /** Another scaler leads; this one takes over when that one is gone. */
  standby: [{ service: string }];
  /** This one leads from now on. */
  leading: [{ service: string }];
  /** The file has changed, and is in force; these services are not in it any more, and processes of theirs end. */
  reloaded: [{ ended: readonly string[] }];
  /** Something went wrong with a service, or with the file (`service` undefined), and is tried again. */
  error: [{ service: string | undefined; error: DocktorError }];
}

/** What a scaler needs. */
export interface ScalerOptions {
  readonly config: ScalerConfig;
  /** Where decisions are logged. Default: nowhere. */
  readonly decisionLog?: DecisionLog;
  /** Decide and tell, but do nothing, whatever the file says. Default false. */
  readonly dryRun?: boolean;
  /** The NATS servers of all services, also when the file is read again. Default: what the file says. */
  readonly servers?: string | undefined;
}

interface Running {
  readonly runner: ServiceRunner;
  readonly stop: AbortController;
  /** Ends the attempt to have another runner follow. */
  replacing: AbortController;
  ended: Promise<void>;
}

/** All services of a file. */
export class Scaler extends EventEmitter<ScalerEvents> {
  readonly #options: ScalerOptions;
  readonly #running = new Map<string, Running>();
  #seen: string;

  constructor(options: ScalerOptions) {
    super();
    this.#options = options;
    this.#seen = stampOf(options.config.file);
  }

  /** Scales until the signal aborts. Never rejects. */
  async run(signal: AbortSignal): Promise<void> {
    this.#follow(this.#options.config, signal);
    while (await slept(systemClock, LOOK_MS, signal)) this.#lookAtFile(signal);
    await Promise.all([...this.#running.values()].map(({ ended }) => ended));
  }

  /**
   * Looks at each service for one `metrics_window`, decides once, and carries that out.
   *
   * @throws DocktorError of what is not there, once all services have been seen to; SCALER_STANDBY when another leads
   */
  async runOnce(signal: AbortSignal): Promise<void> {
    const once = async (service: ServiceConfig): Promise<void> => {
      const runner = this.#runnerOf(service);
      try {
        await runner.runOnce(signal);
      } finally {
        await runner.close();
      }
    };
    const outcomes = await Promise.allSettled(this.#options.config.services.map(once));
    const failed = outcomes.find((outcome) => outcome.status === "rejected");
    if (failed !== undefined) throw failed.reason;
  }

  #lookAtFile(signal: AbortSignal): void {
    const { config, servers } = this.#options;
    const stamp = stampOf(config.file);
    if (stamp === this.#seen) return;
    this.#seen = stamp;
    try {
      const ended = this.#follow(loadConfig(config.file, { servers }), signal);
      this.emit("reloaded", { ended });
    } catch (error) {
      const message = `${messageOf(error)}\nnothing is scaled until it is mended`;
      const { code } = toDocktorError(error);
      this.#tell(undefined, new DocktorError(code, message, { cause: error }));
      for (const { runner } of this.#running.values()) {
        runner.hold(`${config.file} cannot be used`);
      }
    }
  }

  /** Starts what is new, ends what is gone, and goes on with the rest. Returns the names of what is gone. */
  #follow({ services }: ScalerConfig, signal: AbortSignal): string[] {
    const wanted = new Map(services.map((service) => [service.name, this.#settingsOf(service)]));
    const gone: string[] = [];
    for (const [name, { stop, runner, replacing }] of this.#running) {
      replacing.abort();
      const service = wanted.get(name);
      // One that is being stopped is not brought back: another one follows it.
      if (stop.signal.aborted) continue;
      if (service === undefined) {
        gone.push(name);
        stop.abort();
      } else if (runner.update(service)) wanted.delete(name);
    }
    for (const [name, service] of wanted) {
      const running = this.#running.get(name);
      if (running === undefined || running.stop.signal.aborted) this.#start(name, service, signal);
      else void this.#replace(running, service, signal);
    }
    return gone;
  }

  /**
   * Has another runner follow, for another target or queue: once those are known to be there. Until then the old one holds, as
   * a mistyped address is no reason to stop anything.
   */
  async #replace(running: Running, service: ServiceConfig, signal: AbortSignal): Promise<void> {
    const { name } = service;
    running.replacing = new AbortController();
    const until = anyOf(signal, running.stop.signal, running.replacing.signal);
    const next = this.#runnerOf(service);
    running.runner.hold("its new settings are looked at");
    do {
      try {
        await next.prepare(until);
        if (until.aborted) break;
        running.stop.abort();
        return this.#start(name, service, signal, next);
      } catch (error) {
        if (until.aborted) break;
        const { code, message } = toDocktorError(error);
        const held = `its new settings cannot be used yet, and nothing is changed: ${message}`;
        running.runner.hold(held);
        this.#tell(name, new DocktorError(code, held, { cause: error }));
      }
    } while (await slept(systemClock, RETRY_MS, until));
    await next.close();
  }

  #start(
    name: string,
    service: ServiceConfig,
    signal: AbortSignal,
    runner: ServiceRunner = this.#runnerOf(service),
  ): void {
    const before = this.#running.get(name)?.ended;
    const stop = new AbortController();
    const replacing = new AbortController();
    const running: Running = { stop, runner, replacing, ended: Promise.resolve() };
    running.ended = (async () => {
      await before;
      await runner.run(anyOf(signal, stop.signal));
      if (this.#running.get(name) === running) this.#running.delete(name);
    })();
    this.#running.set(name, running);
  }

  #runnerOf(service: ServiceConfig): ServiceRunner {
    const { name } = service;
    return new ServiceRunner(this.#settingsOf(service), {
      decisionLog: this.#options.decisionLog,
      onDecision: (report) => this.emit("decision", report),
      onError: (error) => this.#tell(name, error),
      onStandby: () => this.emit("standby", { service: name }),
      onLeading: () => this.emit("leading", { service: name }),
    });
  }

  #settingsOf(service: ServiceConfig): ServiceConfig {
    return this.#options.dryRun === true ? { ...service, dryRun: true } : service;
  }

  /** Without a listener an error would end the process. */
  #tell(service: string | undefined, error: DocktorError): void {
    if (this.listenerCount("error") > 0) this.emit("error", { service, error });
    else
      process.emitWarning(service === undefined ? error.message : `${service}: ${error.message}`);
  }
}

/** Tells one state of the file from another. */
function stampOf(file: string): string {
  const { mtimeMs = 0, size = 0 } = statSync(file, { throwIfNoEntry: false }) ?? {};
  return `${mtimeMs} ${size}`;
}
