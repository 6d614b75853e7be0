/**
 * Replicas as containers of a Compose service, side by side with Compose: its labels tell which containers there are, and
 * those that are added look to it like its own. Nothing else is touched: no other service, no network, volume or image.
 */
import { systemClock } from "../../clock.ts";
import { DocktorError } from "../../errors.ts";
import { cloneOf, fixedPorts, LABEL, memberIdOf, numberOf } from "./docker-clone.ts";
import { DockerCpu } from "./docker-cpu.ts";
import { Crashes } from "./docker-crashes.ts";
import { Engine, isAway, isRefusal } from "./docker-engine.ts";
import { type ProjectSource, projectName } from "./docker-project.ts";
import { Template } from "./docker-template.ts";
import type { ContainerSource, InspectedContainer, ListedContainer } from "./docker-types.ts";
import type { Capabilities, Driver, Replica } from "./driver.ts";
import { endedWith } from "./last-words.ts";
import { lowestFree } from "./numbers.ts";
import { allOrFirstError, unlessAborted } from "./patience.ts";

/** Which service of which project. */
export interface DockerDriverOptions extends ProjectSource {
  /** The service's name in the Compose file. */
  readonly service: string;
  /** The engine's socket. Default: as `DOCKER_HOST` says, else `/var/run/docker.sock`. */
  readonly socket?: string | undefined;
}

/** How long to wait before an engine that is away is asked again, in milliseconds. */
const AGAIN_MS = 500;

/** How programs end that were asked to: in good order, or by SIGINT or SIGTERM. */
const ENDED_WHEN_ASKED = [0, 130, 143];

/**
 * Scales one service of a Compose project. A container is cloned from the newest that runs, or from the last that ran, which
 * is kept as a template: so the service must have been started once by `docker compose up`. What Compose itself copies into a
 * container (secrets and configs whose content stands in the Compose file or the environment) is not there in a clone.
 */
export class DockerDriver implements Driver {
  readonly capabilities: Capabilities = { choosesVictim: true };
  readonly #engine: Engine;
  readonly #project: string;
  readonly #service: string;
  readonly #template: Template;
  readonly #cpu: DockerCpu;
  readonly #crashes = new Crashes(systemClock);
  readonly #memberIds = new Map<string, string | undefined>();
  readonly #starting = new Set<string>();
  readonly #stopping = new Map<string, Promise<void>>();
  readonly #closing = new AbortController();
  #turn: Promise<unknown> = Promise.resolve();

  private constructor(engine: Engine, project: string, service: string) {
    this.#engine = engine;
    this.#project = project;
    this.#service = service;
    this.#template = new Template(project, service);
    this.#cpu = new DockerCpu(engine);
  }

  /** @throws DocktorError INVALID_OPTION, TARGET_UNAVAILABLE when it is not clear which project is meant */
  static async open(options: DockerDriverOptions): Promise<DockerDriver> {
    const project = projectName(options);
    return new DockerDriver(await Engine.at(options.socket), project, options.service);
  }

  async current(signal: AbortSignal): Promise<readonly Replica[]> {
    const listed = await this.#list(signal);
    const ids = new Set(listed.map(({ Id }) => Id));
    for (const id of this.#memberIds.keys()) if (!ids.has(id)) this.#memberIds.delete(id);
    this.#crashes.keepOnly(ids);
    const replicas = await Promise.all(listed.map((each) => this.#replicaOf(each, signal)));
    const present = replicas.filter((replica) => replica !== undefined);
    const running = present.filter(({ state }) => state === "running").map(({ id }) => id);
    const shares = this.#cpu.look(new Map(running.map((id) => [id, id])), signal);
    return present.map((replica) => ({ ...replica, cpuPercent: shares.get(replica.id) }));
  }

  async grow(count: number, signal: AbortSignal): Promise<void> {
    if (count < 1) return;
    await this.#inTurn(() => this.#grow(count, signal));
  }

  /** While the engine is away it is asked again and again: what has left its group should not come back to it. */
  async remove(victim: Replica, graceMs: number, signal: AbortSignal): Promise<void> {
    signal.throwIfAborted();
    const { id } = victim;
    const stopping = this.#stopping.get(id) ?? this.#stop(id, graceMs);
    this.#stopping.set(id, stopping);
    await unlessAborted(signal, stopping);
  }

  async check(signal: AbortSignal): Promise<void> {
    const source = await this.#source(await this.#list(signal), signal);
    const [port] = fixedPorts(source);
    if (port !== undefined) {
      throw new DocktorError(
        "TARGET_UNAVAILABLE",
        `service ${this.#service} publishes port ${port} of the host, which only one container can have: remove it from the Compose file's ports, or name the container's port alone`,
      );
    }
    await this.#image(source, signal);
    await this.#template.keep(source);
  }

  async close(): Promise<void> {
    // The containers are Compose's and stay; a connection closes by itself.
    this.#closing.abort(new DocktorError("CLOSED", "the Docker driver is closed"));
    // An engine whose request breaks off kills the container at once, whatever its grace.
    await Promise.allSettled(this.#stopping.values());
  }

  /** The service's containers by their numbers. */
  async #list(signal: AbortSignal): Promise<readonly ListedContainer[]> {
    const labels = [
      `${LABEL.project}=${this.#project}`,
      `${LABEL.service}=${this.#service}`,
      `${LABEL.oneOff}=False`,
      LABEL.configHash,
    ];
    const listed = await this.#engine.containers(labels, signal);
    return listed.toSorted((a, b) => (numberOf(a.Labels) ?? 0) - (numberOf(b.Labels) ?? 0));
  }

  /** The container as a replica; undefined for one that was stopped, or is gone by now. */
  async #replicaOf(
    { Id, Names, State, Labels }: ListedContainer,
    signal: AbortSignal,
  ): Promise<Omit<Replica, "cpuPercent"> | undefined> {
    const name = Names[0]?.slice(1) ?? `${this.#service}-${Labels[LABEL.number] ?? "?"}`;
    if (State === "created" && !this.#starting.has(Id)) return undefined;
    const ended = State === "exited" || State === "restarting" || State === "dead";
    const known = !ended && this.#memberIds.has(Id);
    const found = known ? undefined : await this.#engine.inspect(Id, signal);
    if (!known && found === undefined) return undefined;
    if (found !== undefined) this.#memberIds.set(Id, memberIdOf(found.Config.Env));
    const told = { id: Id, name, memberId: this.#memberIds.get(Id) };
    if (this.#stopping.has(Id) || State === "removing") return { ...told, state: "stopping" };
    if (State === "created") return { ...told, state: "starting" };
    if (!ended || found === undefined) return { ...told, state: "running" };
    if (State === "exited" && this.#mayStart(found)) return undefined;
    return { ...told, state: "failed", why: await this.#whyOf(found, signal) };
  }

  /** Whether it is one to be started, and no replica at the moment: stopped by somebody, or crashed and rested. */
  #mayStart(found: InspectedContainer): boolean {
    return wasStopped(found) || !this.#crashes.rests(found.Id, found.State);
  }

  async #whyOf({ Id, State }: InspectedContainer, signal: AbortSignal): Promise<string> {
    if (State.Error !== "") return `it cannot be started: ${State.Error}`;
    const words = await this.#engine.lastWords(Id, signal);
    if (State.OOMKilled) return endedWith({ killedBy: "the system, for lack of memory" }, words);
    return endedWith({ exitCode: State.ExitCode }, words);
  }

  async #grow(count: number, signal: AbortSignal): Promise<void> {
    const listed = await this.#list(signal);
    const source = await this.#source(listed, signal);
    // Growing now matters more than growing from zero one day.
    await this.#template.keep(source).catch(() => undefined);
    const idle = await this.#idle(listed, source, signal);
    const again = idle.slice(0, count).map((id) => this.#engine.start(id, signal));
    const missing = count - again.length;
    const image = missing > 0 ? await this.#image(source, signal) : "";
    const taken = new Set(listed.flatMap(({ Labels }) => numberOf(Labels) ?? []));
    const clones = Array.from({ length: missing }, () =>
      this.#startClone(source, image, taken, signal),
    );
    await allOrFirstError([...again, ...clones]);
  }

  /** What the next container is cloned from. @throws DocktorError TARGET_UNAVAILABLE when there is nothing */
  async #source(listed: readonly ListedContainer[], signal: AbortSignal): Promise<ContainerSource> {
    const newestFirst = listed.toSorted((a, b) => b.Created - a.Created);
    const running = newestFirst.filter(({ State }) => State === "running");
    for (const { Id } of [...running, ...newestFirst]) {
      const found = await this.#engine.inspect(Id, signal);
      if (found !== undefined) return found;
    }
    const kept = await this.#template.read();
    if (kept !== undefined) return kept;
    throw new DocktorError(
      "TARGET_UNAVAILABLE",
      `service ${this.#service} of Compose project ${this.#project} has no container yet that could be cloned: start it once (docker compose -p ${this.#project} up -d ${this.#service}), or correct target.project and target.service (docker compose ls)`,
    );
  }

  /** Those that were stopped or have crashed, with the same settings and image: they start again before new ones are made. */
  async #idle(
    listed: readonly ListedContainer[],
    source: ContainerSource,
    signal: AbortSignal,
  ): Promise<readonly string[]> {
    const hash = source.Config.Labels[LABEL.configHash];
    const ids = listed
      .filter(({ State }) => State === "exited" || State === "created")
      .filter(({ Id, Labels }) => Labels[LABEL.configHash] === hash && !this.#stopping.has(Id))
      .map(({ Id }) => this.#engine.inspect(Id, signal));
    return (await Promise.all(ids))
      .filter((found) => found !== undefined)
      .filter((found) => found.Image === source.Image && this.#mayStart(found))
      .map(({ Id }) => Id);
  }

  /** What to call the source's image: as the user does, unless that is another image by now. */
  async #image({ Image, Config }: ContainerSource, signal: AbortSignal): Promise<string> {
    const named = await this.#engine.imageId(Config.Image, signal);
    if (named === Image) return Config.Image;
    if ((await this.#engine.imageId(Image, signal)) !== undefined) return Image;
    // The one that ran is gone, and there is a newer one.
    if (named !== undefined) return Config.Image;
    throw new DocktorError(
      "TARGET_UNAVAILABLE",
      `the image ${Config.Image} of service ${this.#service} is not on this engine: build or pull it (docker compose -p ${this.#project} build ${this.#service}, or pull)`,
    );
  }

  async #startClone(
    source: ContainerSource,
    image: string,
    taken: Set<number>,
    signal: AbortSignal,
  ): Promise<void> {
    const number = lowestFree(taken);
    taken.add(number);
    const { name, settings, networks } = cloneOf(source, number, image);
    let id: string;
    try {
      id = await this.#engine.create(name, settings, signal);
    } catch (error) {
      // A container that is not the service's has the name.
      if (isRefusal(error, 409)) return await this.#startClone(source, image, taken, signal);
      throw error;
    }
    this.#starting.add(id);
    try {
      for (const network of networks) {
        await this.#engine.connect(network.name, id, network.endpoint, signal);
      }
      await this.#engine.start(id, signal);
    } catch (error) {
      // What never ran is of no use to anyone.
      await this.#engine.remove(id, true).catch(() => undefined);
      throw error;
    } finally {
      this.#starting.delete(id);
    }
  }

  async #stop(id: string, graceMs: number): Promise<void> {
    const { signal } = this.#closing;
    try {
      for (;;) {
        try {
          return await this.#stopOnce(id, graceMs, signal);
        } catch (error) {
          if (!isAway(error)) throw error;
        }
        await systemClock.sleep(AGAIN_MS, signal);
      }
    } finally {
      this.#stopping.delete(id);
    }
  }

  async #stopOnce(id: string, graceMs: number, signal: AbortSignal): Promise<void> {
    const found = await this.#engine.inspect(id, signal);
    if (found === undefined) return;
    const { Id, Name, Config } = found;
    const [project, service] = [Config.Labels[LABEL.project], Config.Labels[LABEL.service]];
    if (project !== this.#project || service !== this.#service) {
      throw new DocktorError(
        "TARGET_UNAVAILABLE",
        `container ${Name.slice(1)} is none of service ${this.#service} of project ${this.#project}, so it is left alone`,
      );
    }
    await this.#keepTemplate(Id, signal);
    await this.#engine.stop(Id, graceMs);
    await this.#engine.remove(Id, false);
  }

  /** Before a container goes. @throws DocktorError TARGET_UNAVAILABLE when it is the last and its settings would be lost */
  async #keepTemplate(leaving: string, signal: AbortSignal): Promise<void> {
    const listed = await this.#list(signal);
    try {
      await this.#template.keep(await this.#source(listed, signal));
    } catch (error) {
      signal.throwIfAborted();
      if (listed.every(({ Id }) => Id === leaving)) throw error;
    }
  }

  /** One after the other, so that no two choose the same number. */
  async #inTurn(step: () => Promise<void>): Promise<void> {
    const mine = this.#turn.then(step);
    this.#turn = mine.catch(() => undefined);
    await mine;
  }
}

/** Whether somebody has stopped it, or has not started it yet. */
function wasStopped({ State }: InspectedContainer): boolean {
  if (State.Error !== "" || State.OOMKilled) return false;
  return State.Status === "created" || ENDED_WHEN_ASKED.includes(State.ExitCode);
}
