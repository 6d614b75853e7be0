/** Containers as `docker compose up` makes them, but without Compose; and what Compose leaves behind. */
import { mkdtempSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import type Dockerode from "dockerode";
import { DockerDriver } from "../../src/scaler/drivers/docker.ts";
import { LABEL } from "../../src/scaler/drivers/docker-clone.ts";
import type { TestEngine } from "./engine.ts";
import { closeAfterTest } from "./group.ts";
import { type Behaviour, PROGRAM, readJournal } from "./replica-program.ts";

let projects = 0;

/** What differs from container to container. */
export interface UpOptions {
  readonly behaviour?: Behaviour;
  readonly labels?: Record<string, string>;
  /** What comes after the project's name. */
  readonly name?: string;
  readonly env?: readonly string[];
  readonly command?: string[];
  readonly image?: string;
  readonly restart?: string;
  readonly ports?: Record<string, Dockerode.PortBinding[]>;
  readonly start?: boolean;
  /** Folders of this machine that it sees, `from:to`. */
  readonly folders?: readonly string[];
  /** Where it writes down what happens. Default: where the test reads it. */
  readonly journal?: string;
}

/** A Compose project whose containers are gone after the test. */
export class Project {
  readonly name: string;
  /** The folder that its containers see as `/journal`. */
  readonly journal: string = mkdtempSync(join(tmpdir(), "docktor-test-"));
  readonly #engine: TestEngine;
  readonly #scalers: Promise<unknown>[] = [];

  constructor(engine: TestEngine) {
    this.name = nextProject(engine);
    this.#engine = engine;
    closeAfterTest(async () => {
      await Promise.all(this.#scalers);
      await removeProject(engine.docker, this.name);
      rmSync(this.journal, { recursive: true, force: true });
    });
  }

  /** Makes one container of a service; returns its id. */
  async up(service: string, number: number, options: UpOptions = {}): Promise<string> {
    const { behaviour = "polite", labels = {}, env = [], start = true, folders = [] } = options;
    const { journal = "/journal" } = options;
    const restart = options.restart ?? (behaviour === "crashing" ? "always" : "no");
    const container = await this.#engine.docker.createContainer({
      name: `${this.name}-${options.name ?? `${service}-${number}`}`,
      Image: options.image ?? this.#engine.image,
      Cmd: options.command ?? [this.#engine.node, "-e", PROGRAM],
      Env: [`JOURNAL=${journal}`, `BEHAVIOUR=${behaviour}`, ...env],
      Labels: {
        [LABEL.project]: this.name,
        [LABEL.service]: service,
        [LABEL.number]: String(number),
        [LABEL.oneOff]: "False",
        [LABEL.configHash]: `hash-of-${service}`,
        ...labels,
      },
      ...(options.ports && { ExposedPorts: { "80/tcp": {} } }),
      HostConfig: {
        NetworkMode: options.ports ? "none" : "host",
        Binds: [`${this.journal}:/journal`, ...folders],
        RestartPolicy: { Name: restart },
        ...(options.ports && { PortBindings: options.ports }),
      },
    });
    if (start) await container.start();
    return container.id;
  }

  /** Has the containers stay until whoever starts some of them has ended. */
  scaledUntil(ended: Promise<unknown>): void {
    this.#scalers.push(ended);
  }

  async driver(service = "consumer"): Promise<DockerDriver> {
    return await DockerDriver.open({ project: this.name, service });
  }

  told(event: string): number {
    return readJournal(this.journal).filter((entry) => entry.event === event).length;
  }

  /** Ids of all its containers, or of all of one service, running or not. */
  async containers(service?: string): Promise<string[]> {
    const of = service === undefined ? [] : [`${LABEL.service}=${service}`];
    const filters = { label: [`${LABEL.project}=${this.name}`, ...of] };
    const all = await this.#engine.docker.listContainers({ all: true, filters });
    return all.map(({ Id }) => Id);
  }
}

/** A name that no other project has. */
export function nextProject({ run }: TestEngine): string {
  return `docktor-test-${run}-${++projects}`;
}

/** Removes all that bears the project's label. Who starts containers in it has ended before. */
export async function removeProject(docker: Dockerode, project: string): Promise<void> {
  const filters = { label: [`${LABEL.project}=${project}`] };
  for (;;) {
    const containers = await docker.listContainers({ all: true, filters });
    // One that was asked for last may come only now.
    if (containers.length === 0) break;
    await Promise.all(containers.map(({ Id }) => removeContainer(docker, Id)));
  }
  const networks = await docker.listNetworks({ filters });
  await Promise.all(networks.map(({ Id }) => docker.getNetwork(Id).remove()));
  const { Volumes } = await docker.listVolumes({ filters });
  await Promise.all((Volumes ?? []).map(({ Name }) => docker.getVolume(Name).remove()));
}

async function removeContainer(docker: Dockerode, id: string): Promise<void> {
  try {
    await docker.getContainer(id).remove({ force: true, v: true });
  } catch (error) {
    // Somebody else has been faster, or is about to be.
    if (![404, 409].includes((error as { statusCode: number }).statusCode)) throw error;
  }
}

/** What tells a container's life from another: it is the same one, and was not started again. */
export async function livesOf(docker: Dockerode, ids: readonly string[]): Promise<string[]> {
  const found = await Promise.all(ids.map((id) => docker.getContainer(id).inspect()));
  return found.map(({ Id, State }) => `${Id} running ${State.Running} since ${State.StartedAt}`);
}
