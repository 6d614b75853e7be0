/** Replicas as tasks of a Swarm service, which Swarm places, starts again, and chooses from when there are too many. */
import { setTimeout as sleep } from "node:timers/promises";
import { DocktorError } from "../../errors.ts";
import { DockerCpu } from "./docker-cpu.ts";
import { Engine } from "./docker-engine.ts";
import type { SwarmService, SwarmTask } from "./docker-types.ts";
import { type Capabilities, type Driver, GRACE_MS, type Replica } from "./driver.ts";
import { isLive, replicasOf } from "./swarm-tasks.ts";

/** Which service. */
export interface SwarmDriverOptions {
  /** Its name: `<stack>_<service>` where `docker stack deploy` has made it. */
  readonly service: string;
  /** The socket of an engine that is a manager. Default: as `DOCKER_HOST` says, else `/var/run/docker.sock`. */
  readonly socket?: string | undefined;
}

/** How often a change is tried that others get in the way of; each time it is counted from what they have made of it. */
const TRIES = 10;
/** How often is looked whether a task is gone. */
const LOOK_MS = 250;

/**
 * Scales a replicated Swarm service by its number of replicas. Swarm cannot be told which of them is to go, and not how long
 * it may take: that is the service's `stop_grace_period`, 10 s where the user has not said. The CPU is known of tasks on
 * the engine that is asked; of those on other nodes it is undefined.
 */
export class SwarmDriver implements Driver {
  readonly capabilities: Capabilities = { choosesVictim: false };
  readonly #engine: Engine;
  readonly #service: string;
  readonly #cpu: DockerCpu;

  private constructor(engine: Engine, service: string) {
    this.#engine = engine;
    this.#service = service;
    this.#cpu = new DockerCpu(engine);
  }

  /** Asks nothing of the engine yet. */
  static async open({ service, socket }: SwarmDriverOptions): Promise<SwarmDriver> {
    return new SwarmDriver(await Engine.at(socket), service);
  }

  async current(signal: AbortSignal): Promise<readonly Replica[]> {
    const service = await this.#inspect(signal);
    const tasks = await this.#engine.tasks(service.ID, signal);
    const replicas = replicasOf(service.Spec.Name, tasks, desiredOf(service));
    const running = tasks.flatMap(({ ID, Status: { State, ContainerStatus } }) => {
      const container = ContainerStatus?.ContainerID;
      return State === "running" && container ? [[ID, container] as const] : [];
    });
    const shares = this.#cpu.look(new Map(running), signal);
    return replicas.map((replica) => ({ ...replica, cpuPercent: shares.get(replica.id) }));
  }

  async grow(count: number, signal: AbortSignal): Promise<void> {
    if (count < 1) return;
    await this.#change(count, signal);
  }

  async remove(victim: Replica, graceMs: number, signal: AbortSignal): Promise<void> {
    const service = await this.#inspect(signal);
    const before = await this.#engine.tasks(service.ID, signal);
    const replicas = replicasOf(service.Spec.Name, before, desiredOf(service));
    if (!replicas.some(({ id }) => id === victim.id)) return;
    const left = await this.#change(-1, signal);
    await this.#untilGone(service.ID, before.filter(isLive), left, graceMs, signal);
  }

  async check(signal: AbortSignal): Promise<void> {
    await this.#inspect(signal);
  }

  async close(): Promise<void> {
    // The tasks are Swarm's and stay; a connection closes by itself.
  }

  /** @throws DocktorError TARGET_UNAVAILABLE when there is no such service, or none with a number of replicas */
  async #inspect(signal: AbortSignal): Promise<SwarmService> {
    const service = await this.#engine.service(this.#service, signal);
    if (service === undefined) {
      throw new DocktorError(
        "TARGET_UNAVAILABLE",
        `there is no Swarm service ${this.#service}: deploy it first (docker stack deploy), or correct target.service (docker service ls)`,
      );
    }
    if (service.Spec.Mode?.Replicated !== undefined) return service;
    throw new DocktorError(
      "TARGET_UNAVAILABLE",
      `Swarm service ${this.#service} has no number of replicas to change, as it runs on every node or only once: deploy it with mode: replicated`,
    );
  }

  /** Changes the number of replicas by `by`; returns the new one. Someone else's change in between is kept. */
  async #change(by: number, signal: AbortSignal): Promise<number> {
    for (let tries = 0; tries < TRIES; tries++) {
      const service = await this.#inspect(signal);
      const replicas = Math.max(0, desiredOf(service) + by);
      const spec = { ...service.Spec, Mode: { Replicated: { Replicas: replicas } } };
      if (await this.#engine.update(service, spec, signal)) return replicas;
    }
    throw new DocktorError(
      "TARGET_UNAVAILABLE",
      `Swarm service ${this.#service} was changed by others ${TRIES} times while docktor tried to: see what does (docker service inspect ${this.#service})`,
    );
  }

  /** Resolves when no more than `left` of the tasks that were live are, or when others have wanted more since. */
  async #untilGone(
    serviceId: string,
    before: readonly SwarmTask[],
    left: number,
    graceMs: number,
    signal: AbortSignal,
  ): Promise<void> {
    const ids = new Set(before.map(({ ID }) => ID));
    const deadline = performance.now() + Math.max(graceMs, GRACE_MS) + GRACE_MS;
    for (;;) {
      const tasks = (await this.#engine.tasks(serviceId, signal)).filter(isLive);
      if (tasks.filter(({ ID }) => ids.has(ID)).length <= left) return;
      if (desiredOf(await this.#inspect(signal)) > left) return;
      if (performance.now() > deadline) {
        throw new DocktorError(
          "TARGET_UNAVAILABLE",
          `Swarm has not stopped a task of ${this.#service} yet: see which one hangs (docker service ps ${this.#service})`,
        );
      }
      await sleep(LOOK_MS, undefined, { signal }).catch(() => signal.throwIfAborted());
    }
  }
}

function desiredOf({ Spec }: SwarmService): number {
  return Spec.Mode?.Replicated?.Replicas ?? 0;
}
