/** The stack of examples/nats-multi on a test's engine: what Compose makes of it, and the scaler beside it. */
import { chmodSync, mkdirSync, readdirSync, readFileSync, writeFileSync } from "node:fs";
import { createServer } from "node:net";
import { join } from "node:path";
import { fileURLToPath } from "node:url";
import { parse, stringify } from "yaml";
import { describeGroup, type GroupStatus } from "../../src/partition/group-status.ts";
import { type ProcessedRecord, readRecords } from "../../src/record/record.ts";
import { LABEL } from "../../src/scaler/drivers/docker-clone.ts";
import { Docktor, temporaryFolder } from "./cli.ts";
import { type Compose, composeFor } from "./compose.ts";
import type { TestEngine } from "./engine.ts";
import { nextProject, removeProject } from "./project.ts";

/** The example itself. */
const EXAMPLE = fileURLToPath(new URL("../../examples/nats-multi/", import.meta.url));
const COMPOSE_FILE = "docker-compose.yaml";
const CONFIG_FILE = "docktor.yaml";
const STREAM = "EVENTS";
const GROUP = "WEB_WORKERS";

/** One look of the scaler's, as it prints it with --json. */
export interface Look {
  readonly ts: string;
  readonly decision: "scale_up" | "scale_down" | "hold";
  readonly current_replicas: number;
  readonly target_replicas: number;
  readonly replicas: {
    readonly ready: number;
    readonly starting: number;
    readonly draining: number;
  };
  readonly observations: Readonly<Record<string, number>>;
}

/** What a test makes of the example: by Compose's variables and by keys of the service in docktor.yaml. */
export interface StackOptions {
  readonly variables: Readonly<Record<string, string>>;
  readonly service: Readonly<Record<string, unknown>>;
}

/** A file of Compose's, as far as tests look at it. */
interface ComposeFile {
  readonly services: Readonly<Record<string, Record<string, unknown>>>;
}

/** The stack; nothing of it runs before Compose is told so. Who made it removes it. */
export class Stack {
  readonly url: string;
  readonly compose: Compose;
  readonly #engine: TestEngine;
  readonly #project: string;
  readonly #folder: string;
  readonly #env: Readonly<Record<string, string>>;
  #scaler: Docktor | undefined;

  private constructor(engine: TestEngine, port: number, { variables, service }: StackOptions) {
    this.url = `nats://127.0.0.1:${port}`;
    this.#engine = engine;
    this.#project = nextProject(engine);
    this.#folder = temporaryFolder();
    // The image's user is nobody in particular.
    mkdirSync(this.#records);
    chmodSync(this.#records, 0o777);
    this.#env = {
      ...variables,
      DOCKER_HOST: `unix://${engine.socket}`,
      NATS_ADDRESS: "127.0.0.1",
      NATS_PORT: String(port),
      NATS_URL: this.url,
      COMPOSE_PROJECT_NAME: this.#project,
    };
    const file = join(this.#folder, COMPOSE_FILE);
    // JSON is YAML.
    writeFileSync(file, JSON.stringify(this.#onThisHost()));
    writeFileSync(join(this.#folder, CONFIG_FILE), stringify(this.#hurried(service)));
    this.compose = composeFor(this.#project, file, this.#env);
  }

  /** Writes the files of a stack whose server has a port of its own. */
  static async create(engine: TestEngine, options: StackOptions): Promise<Stack> {
    return new Stack(engine, await freePort(), options);
  }

  /** Runs docktor where the files are. */
  docktor(...args: readonly string[]): Docktor {
    const env = { ...this.#env, XDG_STATE_HOME: this.#folder };
    return new Docktor(args, { env, cwd: this.#folder });
  }

  /** Starts the scaler. */
  watch(): Docktor {
    this.#scaler = this.docktor("scale-watch", "--json");
    return this.#scaler;
  }

  /** What the scaler has seen and decided so far. */
  get looks(): Look[] {
    const lines = (this.#scaler?.stdout ?? "").split("\n");
    // The last one may not be whole yet.
    return lines.slice(0, -1).map((line) => JSON.parse(line) as Look);
  }

  /** Ids of the containers of a service that run, sorted. */
  async running(service: string): Promise<string[]> {
    const label = [`${LABEL.project}=${this.#project}`, `${LABEL.service}=${service}`];
    const found = await this.#engine.docker.listContainers({ filters: { label } });
    return found.map(({ Id }) => Id).sort();
  }

  async status(): Promise<GroupStatus> {
    return await describeGroup({ servers: this.url, stream: STREAM, group: GROUP, sampleMs: 0 });
  }

  records(): ProcessedRecord[] {
    return readdirSync(this.#records).flatMap((file) => readRecords(join(this.#records, file)));
  }

  /** Removes all of it, once the scaler has ended. */
  async remove(): Promise<void> {
    this.#scaler?.kill("SIGKILL");
    await this.#scaler?.ended;
    await removeProject(this.#engine.docker, this.#project);
  }

  get #records(): string {
    return join(this.#folder, "records");
  }

  /** The example's services, on the host's network and with their records in a folder. */
  #onThisHost(): ComposeFile {
    const example = parse(readFileSync(join(EXAMPLE, COMPOSE_FILE), "utf8")) as ComposeFile;
    for (const service of Object.values(example.services)) {
      service["network_mode"] = "host";
      delete service["ports"];
      delete service["build"];
    }
    const { consumer = {} } = example.services;
    consumer["volumes"] = [`${this.#records}:/records`];
    const environment = consumer["environment"] as Record<string, unknown>;
    // On the host's network all of them have the host's name.
    const more = { MEMBER_ID: "consumer", DOCKTOR_RECORD: "/records/%m.jsonl" };
    consumer["environment"] = { ...environment, ...more };
    return example;
  }

  #hurried(more: Readonly<Record<string, unknown>>): object {
    const example = parse(readFileSync(join(EXAMPLE, CONFIG_FILE), "utf8")) as {
      services: [{ queue: object }];
    };
    const [service] = example.services;
    const queue = { ...service.queue, url: this.url };
    return { ...example, services: [{ ...service, ...more, queue }] };
  }
}

/** A port that nothing listens on, and that this machine gives to nobody by itself. */
async function freePort(): Promise<number> {
  for (;;) {
    const port = 20_000 + Math.floor(Math.random() * 10_000);
    const server = createServer();
    const free = await new Promise<boolean>((resolve) => {
      server.once("error", () => resolve(false));
      server.listen(port, "127.0.0.1", () => resolve(true));
    });
    if (!free) continue;
    await new Promise<void>((resolve) => server.close(() => resolve()));
    return port;
  }
}
