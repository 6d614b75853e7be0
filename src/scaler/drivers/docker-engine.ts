/** The requests to a Docker engine that drivers make, through dockerode, with its refusals in our words. */
import type Dockerode from "dockerode";
import { DocktorError, invalidOption, messageOf } from "../../errors.ts";
import type { CpuReading } from "./cpu-meter.ts";
import type {
  Endpoint,
  InspectedContainer,
  ListedContainer,
  SwarmService,
  SwarmSpec,
  SwarmTask,
} from "./docker-types.ts";
import { lastWords } from "./last-words.ts";
import { withDeadline } from "./patience.ts";

/** An engine that takes longer is stuck. */
const ANSWER_MS = 30_000;

const DEFAULT_SOCKET = "/var/run/docker.sock";

/** What an engine's refusal says. */
interface Refusal {
  readonly statusCode: number;
  readonly json?: { readonly message?: string };
}

/** One engine. Nothing is asked of it before the first request. */
export class Engine {
  /** Where it listens. */
  readonly address: string;
  readonly #docker: Dockerode;

  private constructor(docker: Dockerode, address: string) {
    this.#docker = docker;
    this.address = address;
  }

  /**
   * The engine at that socket; by default the one that Docker's own environment variables name.
   *
   * @throws DocktorError INVALID_OPTION when they name none that there can be
   */
  static async at(socket: string | undefined): Promise<Engine> {
    // It brings much along, of which those who do not use it need not pay the loading.
    const { default: Client } = await import("dockerode");
    if (socket !== undefined) {
      // Without these, DOCKER_HOST and DOCKER_TLS_VERIFY would still count.
      const options = { socketPath: socket, host: undefined, protocol: "http" } as const;
      return new Engine(new Client(options), socket);
    }
    try {
      return new Engine(new Client(), process.env["DOCKER_HOST"] || DEFAULT_SOCKET);
    } catch (error) {
      throw invalidOption(
        `the Docker engine cannot be found by DOCKER_HOST and DOCKER_CERT_PATH: ${messageOf(error)}; correct them, or set target.socket`,
      );
    }
  }

  /** All containers that have these labels, `name` or `name=value`, running or not. */
  async containers(
    labels: readonly string[],
    signal: AbortSignal,
  ): Promise<readonly ListedContainer[]> {
    return await this.#ask("list containers", signal, (abortSignal) =>
      this.#docker.listContainers({ all: true, filters: { label: [...labels] }, abortSignal }),
    );
  }

  /** A container's settings; undefined when there is none of that id. */
  async inspect(id: string, signal: AbortSignal): Promise<InspectedContainer | undefined> {
    return await unless(404, () =>
      this.#ask("inspect a container", signal, async (abortSignal) => {
        const found: unknown = await this.#docker.getContainer(id).inspect({ abortSignal });
        return found as InspectedContainer;
      }),
    );
  }

  /** Creates a container; returns its id. */
  async create(name: string, settings: object, signal: AbortSignal): Promise<string> {
    return await this.#ask(`create container ${name}`, signal, async (abortSignal) => {
      // Given as they are, the settings would also stand in the address, with every secret in them.
      const options = { _query: { name }, _body: settings, abortSignal };
      return (await this.#docker.createContainer(options as object)).id;
    });
  }

  /** Puts a container into one more network. */
  async connect(
    network: string,
    id: string,
    endpoint: Endpoint,
    signal: AbortSignal,
  ): Promise<void> {
    await this.#ask(`connect a container to network ${network}`, signal, (abortSignal) => {
      const options: object = { Container: id, EndpointConfig: endpoint, abortSignal };
      return this.#docker.getNetwork(network).connect(options);
    });
  }

  /** Starts a container. */
  async start(id: string, signal: AbortSignal): Promise<void> {
    await unless(304, () =>
      this.#ask("start a container", signal, (abortSignal) =>
        this.#docker.getContainer(id).start({ abortSignal }),
      ),
    );
  }

  /**
   * Has the engine ask a container to end, and kill it after `graceMs`; one that is gone is left at that. Cannot be broken
   * off: engines have been seen to kill the container at once when the request was.
   */
  async stop(id: string, graceMs: number): Promise<void> {
    const never = new AbortController().signal;
    const t = Math.ceil(graceMs / 1_000);
    const stop = (): Promise<unknown> =>
      this.#ask(
        "stop a container",
        never,
        (abortSignal) => this.#docker.getContainer(id).stop({ t, abortSignal }),
        graceMs + ANSWER_MS,
      );
    await unless(404, () => unless(304, stop));
  }

  /** Removes a container, with force also one that runs, and never its volumes; one that is gone is left at that. */
  async remove(id: string, force: boolean): Promise<void> {
    const never = new AbortController().signal;
    const remove = (): Promise<unknown> =>
      this.#ask("remove a container", never, (abortSignal) =>
        this.#docker.getContainer(id).remove({ force, abortSignal }),
      );
    try {
      await unless(404, remove);
    } catch (error) {
      // Somebody else has been faster.
      if (!/already in progress/.test(messageOf(error))) throw error;
    }
  }

  /** What the program in a container said last; undefined when that cannot be read. */
  async lastWords(id: string, signal: AbortSignal): Promise<string | undefined> {
    try {
      return await this.#ask("read a log", signal, async (abortSignal) => {
        const options = { stdout: true, stderr: true, tail: 20, abortSignal };
        const said: unknown = await this.#docker.getContainer(id).logs(options);
        return Buffer.isBuffer(said) ? lastWords(withoutFrames(said)) : undefined;
      });
    } catch {
      signal.throwIfAborted();
      // Not every log driver can be read from.
      return undefined;
    }
  }

  /** What a container has used so far; undefined when it does not run. */
  async cpu(id: string, signal: AbortSignal): Promise<CpuReading | undefined> {
    try {
      return await this.#ask("read a container's use", signal, async (abortSignal) => {
        const options: object = { stream: false, "one-shot": true, abortSignal };
        const stats = await this.#docker.getContainer(id).stats(options);
        const usedNs = stats.cpu_stats?.cpu_usage?.total_usage;
        const atMs = Date.parse(stats.read);
        // That of a container that does not run is the year 1.
        return usedNs > 0 && atMs > 0 ? { usedMs: usedNs / 1e6, atMs } : undefined;
      });
    } catch {
      signal.throwIfAborted();
      return undefined;
    }
  }

  /** The id of the image that a name stands for now; undefined when there is none of that name or id. */
  async imageId(name: string, signal: AbortSignal): Promise<string | undefined> {
    return await unless(404, () =>
      this.#ask("inspect an image", signal, async () => {
        return (await this.#docker.getImage(name).inspect()).Id;
      }),
    );
  }

  /** A Swarm service by name or id; undefined when there is none. */
  async service(name: string, signal: AbortSignal): Promise<SwarmService | undefined> {
    return await unless(404, () =>
      this.#ask("inspect a service", signal, async (abortSignal) => {
        const found: unknown = await this.#docker.getService(name).inspect({ abortSignal });
        return found as SwarmService;
      }),
    );
  }

  /** The tasks of a Swarm service, those that have ended and are not forgotten yet among them. */
  async tasks(serviceId: string, signal: AbortSignal): Promise<readonly SwarmTask[]> {
    return await this.#ask("list tasks", signal, async (abortSignal) => {
      const options = { filters: { service: [serviceId] }, abortSignal };
      const found: unknown = await this.#docker.listTasks(options);
      return found as readonly SwarmTask[];
    });
  }

  /** Changes a Swarm service; returns false, with nothing changed, when it is not at that version any more. */
  async update(
    { ID, Version }: SwarmService,
    spec: SwarmSpec,
    signal: AbortSignal,
  ): Promise<boolean> {
    try {
      await this.#ask("update a service", signal, (abortSignal) => {
        const options = { _query: { version: Version.Index }, _body: spec, abortSignal };
        return this.#docker.getService(ID).update(options);
      });
      return true;
    } catch (error) {
      if (/out of sequence/.test(messageOf(error))) return false;
      throw error;
    }
  }

  async #ask<T>(
    doing: string,
    signal: AbortSignal,
    request: (signal: AbortSignal) => Promise<T>,
    ms: number = ANSWER_MS,
  ): Promise<T> {
    const who = `the Docker engine at ${this.address}`;
    try {
      return await withDeadline({ who, ms, signal }, request);
    } catch (error) {
      signal.throwIfAborted();
      if (error instanceof DocktorError) throw error;
      const { statusCode, json } = error as Partial<Refusal>;
      throw new DocktorError(
        "TARGET_UNAVAILABLE",
        statusCode === undefined
          ? `no Docker engine answers at ${this.address}: ${messageOf(error)}; ${remedy(error)}`
          : `${who} did not ${doing}: ${json?.message ?? messageOf(error)}`,
        { cause: error },
      );
    }
  }
}

/** Whether the engine refused with that HTTP status. */
export function isRefusal(error: unknown, status: number): boolean {
  if (!(error instanceof DocktorError)) return false;
  return (error.cause as Partial<Refusal> | undefined)?.statusCode === status;
}

/** Whether the engine could not be reached, or went away while it was asked. */
export function isAway(error: unknown): boolean {
  if (!(error instanceof DocktorError)) return false;
  const { code = "", syscall } = (error.cause ?? {}) as Partial<NodeJS.ErrnoException>;
  return syscall === "connect" || ["ECONNRESET", "EPIPE"].includes(code);
}

async function unless<T>(status: number, step: () => Promise<T>): Promise<T | undefined> {
  try {
    return await step();
  } catch (error) {
    if (isRefusal(error, status)) return undefined;
    throw error;
  }
}

function remedy(error: unknown): string {
  if ((error as NodeJS.ErrnoException).code === "EACCES") {
    return "let your user use it (sudo usermod -aG docker $USER, then log in again)";
  }
  return "start it (Linux: sudo systemctl start docker; else open Docker Desktop), or name another by target.socket or DOCKER_HOST";
}

/** A log without the eight bytes before each piece that tell its stream and length; a terminal's has none. */
function withoutFrames(said: Buffer): string {
  const pieces: Buffer[] = [];
  let at = 0;
  while (at + 8 <= said.length) {
    // Its kind, 0 to 2, and three zeros.
    if (said.readUInt32BE(at) % 0x1000000 !== 0 || said.readUInt8(at) > 2) break;
    const end = at + 8 + said.readUInt32BE(at + 4);
    pieces.push(said.subarray(at + 8, end));
    at = end;
  }
  return Buffer.concat(at === 0 ? [said] : pieces).toString("utf8");
}
