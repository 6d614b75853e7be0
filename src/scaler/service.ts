/** Looks at one service again and again, decides, and has its driver carry the decision out. */
import { type Clock, slept, systemClock } from "../clock.ts";
import { messageOf } from "../errors.ts";
import type { ServiceConfig } from "./config/config.ts";
import type { Decision, Situation } from "./decision.ts";
import { type DecisionLog, decisionEntry } from "./decision-log.ts";
import type { Driver, Replica } from "./drivers/driver.ts";
import { decide, type Memory, NO_MEMORY } from "./policy.ts";
import type { Readings, Replicas, Unread } from "./readings.ts";
import { type Crew, counted, crewsOf, victimOf } from "./replicas.ts";
import { retire } from "./retirement.ts";
import { keeping, readingsFrom } from "./signals/history.ts";
import type { QueueReader, QueueSample } from "./signals/queue.ts";

/** What one look came to. */
export interface Report {
  readonly service: string;
  readonly at: Date;
  readonly decision: Decision;
  readonly situation: Pick<Situation, "replicas" | "readings">;
  /** How long the oldest message of the backlog has been stored, in milliseconds, if that is known. */
  readonly oldestMs: number | undefined;
  /** Replicas that keep ending by themselves, and why. */
  readonly failing: readonly Pick<Replica, "name" | "why">[];
  readonly dryRun: boolean;
  readonly policy: "rate" | "rules";
}

/** What a service needs. */
export interface ServiceOptions {
  readonly driver: Driver;
  readonly queue: QueueReader | undefined;
  /** Whether this process may act: only one scaler does. */
  readonly mayAct: () => boolean;
  readonly log: DecisionLog;
  readonly clock?: Clock;
  readonly onReport: (report: Report) => void;
  /** Something went wrong, and scaling goes on. */
  readonly onTrouble: (service: string, message: string) => void;
}

/** One service. */
export class Service {
  /** Changed when the configuration is. */
  config: ServiceConfig;
  /** Why nothing may be decided now, as when the configuration has become nonsense. */
  heldBy: string | undefined;
  readonly #options: ServiceOptions;
  readonly #clock: Clock;
  readonly #leaving = new Map<string, Promise<void>>();
  #memory: Memory = NO_MEMORY;
  #samples: QueueSample[] = [];
  #replicas: Replicas = { ready: 0, starting: 0, failing: 0, draining: 0 };
  #logged = "";

  constructor(config: ServiceConfig, options: ServiceOptions) {
    this.config = config;
    this.#options = options;
    this.#clock = options.clock ?? systemClock;
  }

  /** Looks and decides until the signal aborts. */
  async run(signal: AbortSignal): Promise<void> {
    do await this.look(signal);
    while (await slept(this.#clock, this.config.checkIntervalMs, signal));
    await Promise.all(this.#leaving.values());
  }

  /** Looks twice, so that rates are known, and decides once. */
  async runOnce(signal: AbortSignal): Promise<void> {
    await this.#readings([]).catch(() => undefined);
    if (!(await slept(this.#clock, this.config.metricsWindowMs, signal))) return;
    await this.look(signal);
    await Promise.all(this.#leaving.values());
  }

  /** Looks, decides, and has it carried out. Never rejects. */
  async look(signal: AbortSignal): Promise<void> {
    const { driver, onTrouble } = this.#options;
    const { name } = this.config;
    try {
      const replicas = await driver.current(signal);
      const { readings, sample } = await this.#read(replicas);
      const crews = crewsOf(replicas, sample?.members);
      this.#replicas = counted(crews, sample?.members, new Set(this.#leaving.keys()));
      const rebalancing = sample?.rebalancing ?? false;
      const situation = { replicas: this.#replicas, rebalancing, readings };
      const { decision, memory } = decide(this.config, this.#memory, {
        ...situation,
        now: this.#clock.now(),
      });
      this.#memory = this.config.dryRun ? unacted(memory) : memory;
      this.#tell(decision, situation, sample, replicas);
      await this.#act(decision, crews, signal);
    } catch (error) {
      if (signal.aborted) return;
      onTrouble(name, messageOf(error));
      this.#tell(this.#holding(messageOf(error)), {
        replicas: this.#replicas,
        readings: { unread: messageOf(error) },
      });
    }
  }

  /** What cannot be read is unread; nothing is made up. */
  async #read(
    replicas: readonly Replica[],
  ): Promise<{ readings: Readings | Unread; sample: QueueSample | undefined }> {
    if (this.heldBy !== undefined) return { readings: { unread: this.heldBy }, sample: undefined };
    try {
      return await this.#readings(replicas);
    } catch (error) {
      return { readings: { unread: messageOf(error) }, sample: undefined };
    }
  }

  async #readings(
    replicas: readonly Replica[],
  ): Promise<{ readings: Readings | Unread; sample: QueueSample | undefined }> {
    const { queue } = this.#options;
    const cpu = averageCpu(replicas);
    const metrics = cpu === undefined ? {} : { "cpu.avg_pct": cpu };
    if (queue === undefined) return { readings: withoutQueue(metrics), sample: undefined };
    const sample = await queue.read();
    const { metricsWindowMs } = this.config;
    this.#samples = keeping(this.#samples, sample, metricsWindowMs);
    const readings = readingsFrom(this.#samples, metricsWindowMs, metrics);
    return { readings, sample };
  }

  async #act(
    { action, current, target }: Decision,
    crews: readonly Crew[],
    signal: AbortSignal,
  ): Promise<void> {
    const { driver, mayAct } = this.#options;
    if (action === "hold" || this.config.dryRun || !mayAct()) return;
    if (action === "up") return await driver.grow(target - current, signal);
    for (let gone = 0; gone < current - target; gone++) {
      const victim = victimOf(crews, new Set(this.#leaving.keys()));
      if (victim !== undefined) this.#retire(victim, signal);
    }
  }

  #retire(victim: Crew, signal: AbortSignal): void {
    const { id, name } = victim.replica;
    const { onTrouble } = this.#options;
    const { drainTimeoutMs } = this.config;
    const trouble = (message: string): void => onTrouble(this.config.name, message);
    const retiring = retire(
      victim,
      { ...this.#options, drainTimeoutMs, onTrouble: trouble },
      signal,
    )
      .catch((error: unknown) => {
        if (!signal.aborted) trouble(`${name} could not be stopped: ${messageOf(error)}`);
      })
      .finally(() => this.#leaving.delete(id));
    this.#leaving.set(id, retiring);
  }

  #holding(reason: string): Decision {
    const { ready, starting, failing } = this.#replicas;
    const current = ready + starting + failing;
    return { action: "hold", current, target: current, reason, rails: ["unread"], demand: undefined };
  }

  #tell(
    decision: Decision,
    situation: Pick<Situation, "replicas" | "readings">,
    sample?: QueueSample,
    replicas: readonly Replica[] = [],
  ): void {
    const { name, policy, dryRun } = this.config;
    const { log, onReport } = this.#options;
    const at = new Date();
    const failing = replicas.filter(({ state }) => state === "failed");
    onReport({
      service: name,
      at,
      decision,
      situation,
      oldestMs: sample?.oldestMs,
      failing: failing.map(({ name: replica, why = "" }) => ({ name: replica, why })),
      dryRun,
      policy: policy.kind,
    });
    // One line each time that something else is decided, or for another cause: not one for every look at rest.
    const unread = "unread" in situation.readings;
    const { action, target, rails } = decision;
    const gist = JSON.stringify([action, target, rails, unread, failing.length]);
    if ((action === "hold" || dryRun) && gist === this.#logged) return;
    this.#logged = gist;
    log.append(decisionEntry({ at, service: name, policy: policy.kind, dryRun, decision, situation }));
  }
}

/** What is remembered where nothing was done. */
function unacted(memory: Memory): Memory {
  const { actions, lastUpAt, lastDownAt, growth } = NO_MEMORY;
  return { ...memory, actions, lastUpAt, lastDownAt, growth };
}

/** The mean over those that told; undefined when none has. */
function averageCpu(replicas: readonly Replica[]): number | undefined {
  const told = replicas.flatMap(({ cpuPercent }) => (cpuPercent === undefined ? [] : [cpuPercent]));
  return told.length === 0 ? undefined : told.reduce((sum, each) => sum + each, 0) / told.length;
}

/** A service that is scaled by its processor time alone. */
function withoutQueue(metrics: Readonly<Record<string, number>>): Readings {
  return {
    backlog: 0,
    rateIn: { short: 0, long: 0 },
    rateOut: 0,
    perReplica: undefined,
    partitions: undefined,
    metrics,
  };
}
