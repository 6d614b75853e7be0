/** The settings of a service's container on disk, from which the service grows when no container is left. */
import { randomUUID } from "node:crypto";
import { mkdir, readFile, rename, writeFile } from "node:fs/promises";
import { dirname } from "node:path";
import { DocktorError, messageOf } from "../../errors.ts";
import { LABEL } from "./docker-clone.ts";
import type { ContainerSource } from "./docker-types.ts";
import { fileName, statePath } from "../state-folder.ts";

/** A service's template. Its file holds the service's environment, secrets too: only its user may read it. */
export class Template {
  readonly file: string;
  readonly #project: string;
  readonly #service: string;

  constructor(project: string, service: string) {
    this.#project = project;
    this.#service = service;
    this.file = statePath("templates", fileName(`${project}-${service}.json`));
  }

  /** What was kept last; undefined when nothing was, or that of another service whose file has the same name. */
  async read(): Promise<ContainerSource | undefined> {
    let source: ContainerSource;
    try {
      source = JSON.parse(await readFile(this.file, "utf8")) as ContainerSource;
    } catch {
      // Not there, or not ours: as good as none.
      return undefined;
    }
    const labels = source.Config?.Labels ?? {};
    const ours = labels[LABEL.project] === this.#project && labels[LABEL.service] === this.#service;
    return ours ? source : undefined;
  }

  /** Keeps a container's settings; one crash may cost the new ones, but never both. @throws DocktorError TARGET_UNAVAILABLE */
  async keep({
    Id,
    Name,
    Image,
    Config,
    HostConfig,
    NetworkSettings,
  }: ContainerSource): Promise<void> {
    const { Networks } = NetworkSettings;
    const settings = { Id, Name, Image, Config, HostConfig };
    const source: ContainerSource = { ...settings, NetworkSettings: { Networks } };
    const text = `${JSON.stringify(source, undefined, 2)}\n`;
    try {
      await mkdir(dirname(this.file), { recursive: true, mode: 0o700 });
      const draft = `${this.file}.${randomUUID()}`;
      await writeFile(draft, text, { mode: 0o600 });
      await rename(draft, this.file);
    } catch (error) {
      throw new DocktorError(
        "TARGET_UNAVAILABLE",
        `the template of ${this.#service} cannot be kept in ${this.file}: ${messageOf(error)}; without it the service could not grow from zero: make that folder writable, or point XDG_STATE_HOME to one that is`,
        { cause: error },
      );
    }
  }
}
