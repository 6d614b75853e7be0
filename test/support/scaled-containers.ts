/** A service that `docktor scale-watch` scales, its replicas being containers; the scaler's wire to the engine can be cut. */
import { rmSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { fileURLToPath } from "node:url";
import type { TestEngine } from "./engine.ts";
import { EngineWire } from "./engine-wire.ts";
import { eventually, GROUP, STREAM, SUBJECT } from "./group.ts";
import { MAIN } from "./processes.ts";
import { livesOf, Project } from "./project.ts";
import { ScaledService } from "./scaled-service.ts";

const ROOT = fileURLToPath(new URL("../..", import.meta.url)).replace(/\/$/, "");

/** `docktor consume`, but for as long as there is such a file it cannot. */
const REPLICA = `
  if (require("node:fs").existsSync("/journal/ill")) {
    console.error("there is no such stream");
    process.exit(3);
  }
  process.argv = [process.execPath, ${JSON.stringify(MAIN)}, "consume"];
  import(${JSON.stringify(MAIN)});
`;

/** It is gone after the test, with its neighbours. */
export class ScaledContainers {
  readonly wire: EngineWire;
  readonly service: ScaledService;
  readonly #engine: TestEngine;
  readonly #project: Project;
  /** A container of another service, and what it is like. */
  readonly #neighbour: string;
  readonly #life: readonly string[];

  private constructor(
    engine: TestEngine,
    project: Project,
    {
      wire,
      service,
      neighbour,
      life,
    }: {
      wire: EngineWire;
      service: ScaledService;
      neighbour: string;
      life: readonly string[];
    },
  ) {
    this.#engine = engine;
    this.#project = project;
    this.wire = wire;
    this.service = service;
    this.#neighbour = neighbour;
    this.#life = life;
    project.scaledUntil(service.scaler.ended);
  }

  /**
   * One container, and a scaler that watches it.
   *
   * @param more keys of the service in the configuration
   */
  static async start(
    engine: TestEngine,
    url: string,
    more: Readonly<Record<string, unknown>> = {},
    image: string = engine.image,
  ): Promise<ScaledContainers> {
    const project = new Project(engine);
    const wire = await EngineWire.open(engine.socket);
    const neighbour = await project.up("other", 1, { journal: "/dev/shm" });
    const life = await livesOf(engine.docker, [neighbour]);
    await project.up("consumer", 1, {
      image,
      command: [engine.node, "-e", REPLICA],
      restart: "unless-stopped",
      folders: [`${ROOT}:${ROOT}:ro`],
      env: [
        `NATS_URL=${url}`,
        `STREAM_NAME=${STREAM}`,
        `SUBJECT_PREFIX=${SUBJECT}`,
        `GROUP=${GROUP}`,
        // On the host's network all of them have the host's name.
        "MEMBER_ID=consumer",
        "PROCESS_TIME_MS=10",
        "MEMBER_CONCURRENCY=1",
        "SESSION_TTL_MS=2000",
        "DOCKTOR_RECORD=/journal/%m.record.jsonl",
      ],
    });
    const target = {
      driver: "docker",
      project: project.name,
      service: "consumer",
      socket: wire.socket,
    };
    const service = new ScaledService(url, { max_replicas: 4, ...more, target }, project.journal);
    return new ScaledContainers(engine, project, { wire, service, neighbour, life });
  }

  /** Kills the scaler, as a crash would. */
  async kill(): Promise<void> {
    this.service.scaler.kill("SIGKILL");
    await this.service.scaler.ended;
  }

  /** Starts another scaler in the place of one that has ended. */
  watch(): void {
    this.service.scaler = this.service.watch();
    this.#project.scaledUntil(this.service.scaler.ended);
  }

  /** From now on, or no longer, what starts says what is wrong, and ends. */
  ill(ill: boolean): void {
    const file = join(this.service.folder, "ill");
    if (ill) writeFileSync(file, "");
    else rmSync(file);
  }

  /** Ids of the service's containers, running or not. */
  async containers(): Promise<string[]> {
    return await this.#project.containers("consumer");
  }

  async remove(id: string): Promise<void> {
    await this.#engine.docker.getContainer(id).remove({ force: true });
  }

  /** Resolves when all messages are handled. */
  async workedOff(): Promise<void> {
    const lag = async (): Promise<number | undefined> => {
      return (await this.service.status().catch(() => undefined))?.totals.lag;
    };
    await eventually("all is worked off", async () => (await lag()) === 0, 90_000, 250);
  }

  /** Resolves when there is nothing but so many containers. */
  async settled(count: number): Promise<void> {
    const settled = async (): Promise<boolean> => {
      const size = await this.service.size().catch(() => -1);
      return size === count && (await this.containers()).length === count;
    };
    await eventually(`there are ${count} containers, and all are members`, settled, 90_000, 250);
  }

  /** What was done to the engine that the scaler has no business with; and whether its neighbour is as it was. */
  async meddling(): Promise<string[]> {
    const name = `${this.#project.name}-consumer-\\d+`;
    const own = new RegExp(
      `^(POST /containers/create\\?name=${name}$|(POST|DELETE) /containers/(?!${this.#neighbour})[0-9a-f]{64}(/start|/stop)?(\\?|$))`,
    );
    const life = await livesOf(this.#engine.docker, [this.#neighbour]);
    return [
      ...this.wire.requests.filter((request) => !request.startsWith("GET ") && !own.test(request)),
      ...life.filter((each) => !this.#life.includes(each)),
    ];
  }
}
