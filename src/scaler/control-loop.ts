/** The control loop of one service: it looks, decides, and has the driver carry the decision out. */
import { type Clock, slept, systemClock } from "../clock.ts";
import { DocktorError, messageOf, toDocktorError } from "../errors.ts";
import type { ServiceConfig } from "./config/config.ts";
import type { Decision, Situation } from "./policy/decision.ts";
import { type DecisionEntry, type DecisionLog, decisionEntry } from "./decision-log.ts";
import type { Driver, Replica } from "./drivers/driver.ts";
import { decide } from "./policy.ts";
import { failing, type Memory, NO_MEMORY, unacted } from "./policy/memory.ts";
import { type Readings, type Replicas, sizeOf, type Unread } from "./policy/readings.ts";
import { countReplicas, type ReplicaWithMember, victimOf, withMembers } from "./replicas.ts";
import { drainAndRemove } from "./removal.ts";
import { keeping, readingsFrom } from "./signals/history.ts";
import type { MemberSample, QueueReader, QueueSample } from "./signals/queue.ts";

/** What was decided at one look, and from what. */
export interface ScalerReport {
  /** The decision as it is logged. */
  readonly entry: DecisionEntry;
  /** Whether anything is done, or it is another decision than before or has another cause; only then is it logged. */
  readonly isNew: boolean;
  readonly replicas: Replicas;
  readonly readings: Readings | Unread;
  /** How long the oldest message of the backlog has been stored, in milliseconds, if that is known. */
  readonly oldestMs: number | undefined;
  /** Replicas that keep ending by themselves, and why. */
  readonly failing: readonly { readonly name: string; readonly why: string }[];
}

/** What the loop needs. */
export interface ControlLoopOptions {
  readonly driver: Driver;
  readonly queue: QueueReader | undefined;
  /** Whether this process may act: only one scaler does. */
  readonly mayAct: () => boolean;
  readonly decisionLog: DecisionLog | undefined;
  readonly onDecision: (report: ScalerReport) => void;
  /** Something went wrong, and scaling goes on. */
  readonly onError: (error: DocktorError) => void;
  readonly clock?: Clock;
}

/** Scales one service. */
export class ControlLoop {
  /** Changed when the configuration is. */
  config: ServiceConfig;
  /** Why nothing may be decided now, as when the configuration has become nonsense. */
  heldBecause: string | undefined;
  readonly #options: ControlLoopOptions;
  readonly #clock: Clock;
  readonly #removing = new Map<string, Promise<void>>();
  #memory: Memory = NO_MEMORY;
  #samples: QueueSample[] = [];
  #replicas: Replicas = { ready: 0, starting: 0, failing: 0, draining: 0 };
  #told = "";

  constructor(config: ServiceConfig, options: ControlLoopOptions) {
    this.config = config;
    this.#options = options;
    this.#clock = options.clock ?? systemClock;
  }

  /** Looks and decides until the signal aborts. */
  async run(signal: AbortSignal): Promise<void> {
    do await this.#step(signal);
    while (await slept(this.#clock, this.config.checkIntervalMs, signal));
    await Promise.all(this.#removing.values());
  }

  /** Looks twice, so that rates are known, decides once, and resolves once that is carried out. */
  async runOnce(signal: AbortSignal): Promise<void> {
    const { driver } = this.#options;
    const first = async (): Promise<unknown> => await this.#readings(await driver.current(signal));
    await first().catch(() => undefined);
    if (!(await slept(this.#clock, this.config.metricsWindowMs, signal))) return;
    await this.#step(signal);
    await Promise.all(this.#removing.values());
  }

  /** Looks, decides, and has it carried out. Never rejects. */
  async #step(signal: AbortSignal): Promise<void> {
    const { driver, mayAct, onError } = this.#options;
    const before = this.#memory;
    try {
      const replicas = await driver.current(signal);
      const held = this.heldBecause ?? (mayAct() ? undefined : "this scaler does not lead now");
      if (held !== undefined) {
        this.#replicas = this.#count(withMembers(replicas, undefined), undefined);
        return this.#hold(held, replicas);
      }
      const { readings, sample } = await this.#read(replicas);
      const paired = withMembers(replicas, sample?.members);
      this.#replicas = this.#count(paired, sample?.members);
      const rebalancing = sample?.rebalancing ?? false;
      const situation = { replicas: this.#replicas, rebalancing, readings };
      const { decision, memory } = decide(this.config, this.#memory, {
        ...situation,
        now: this.#clock.now(),
      });
      // Until it is done, which it may not be.
      this.#memory = decision.action === "hold" ? memory : unacted(memory, before);
      this.#tell(decision, situation, sample, replicas);
      if (!(await this.#act(decision, paired, signal))) return;
      this.#memory = memory;
    } catch (error) {
      if (signal.aborted) return;
      this.#memory = failing(this.#memory);
      onError(toDocktorError(error));
      this.#hold(messageOf(error));
    }
  }

  /** What cannot be read is unread; nothing is made up. */
  async #read(
    replicas: readonly Replica[],
  ): Promise<{ readings: Readings | Unread; sample: QueueSample | undefined }> {
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

  #count(
    paired: readonly ReplicaWithMember[],
    members: readonly MemberSample[] | undefined,
  ): Replicas {
    return countReplicas(paired, members, new Set(this.#removing.keys()));
  }

  /** Carries it out, or has it begun; false when nothing is done, as in a dry run. */
  async #act(
    { action, current, target }: Decision,
    paired: readonly ReplicaWithMember[],
    signal: AbortSignal,
  ): Promise<boolean> {
    const { driver, mayAct } = this.#options;
    if (action === "hold" || this.config.dryRun || !mayAct()) return false;
    if (action === "up") {
      await driver.grow(target - current, signal);
      return true;
    }
    for (let gone = 0; gone < current - target; gone++) {
      const victim = victimOf(paired, new Set(this.#removing.keys()));
      if (victim !== undefined) this.#remove(victim, signal);
    }
    return true;
  }

  #remove(victim: ReplicaWithMember, signal: AbortSignal): void {
    const { id, name } = victim.replica;
    const { onError } = this.#options;
    const { drainTimeoutMs } = this.config;
    const removed = drainAndRemove(victim, { ...this.#options, drainTimeoutMs }, signal)
      .catch((error: unknown) => {
        if (signal.aborted) return;
        const { code, message } = toDocktorError(error);
        onError(
          new DocktorError(code, `${name} could not be stopped: ${message}`, { cause: error }),
        );
      })
      .finally(() => this.#removing.delete(id));
    this.#removing.set(id, removed);
  }

  /** Nothing can be decided. */
  #hold(reason: string, replicas?: readonly Replica[]): void {
    const current = sizeOf(this.#replicas);
    const decision = { action: "hold", current, target: current, reason } as const;
    this.#tell(
      { ...decision, rails: [], demand: undefined },
      { replicas: this.#replicas, readings: { unread: reason } },
      undefined,
      replicas,
    );
  }

  #tell(
    decision: Decision,
    situation: Pick<Situation, "replicas" | "readings">,
    sample?: QueueSample,
    all: readonly Replica[] = [],
  ): void {
    const { name, policy, dryRun } = this.config;
    const { decisionLog, onDecision } = this.#options;
    const { readings, replicas } = situation;
    const failing = all
      .filter(({ state }) => state === "failed")
      .map(({ name: replica, why = "" }) => ({ name: replica, why }));
    const logged = { at: new Date(), service: name, policy: policy.kind, dryRun };
    const entry = decisionEntry({ ...logged, decision, replicas, readings, failing });
    const unread = "unread" in readings ? readings.unread : undefined;
    const isNew = this.#isNew(decision, unread, failing.length);
    onDecision({ entry, isNew, replicas, readings, oldestMs: sample?.oldestMs, failing });
    if (isNew) decisionLog?.append(entry);
  }

  /** One line each time that something is done, or for another cause: not one for every look at rest. */
  #isNew(
    { action, target, rails }: Decision,
    unread: string | undefined,
    failing: number,
  ): boolean {
    const gist = JSON.stringify([action, target, rails, unread, failing]);
    const goesOn = (action === "hold" || this.config.dryRun) && gist === this.#told;
    this.#told = gist;
    return !goesOn;
  }
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
