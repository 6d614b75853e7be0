/** Servers of what docktor is compared with, each in a folder and on ports of its own. */
import { type ChildProcess, execFileSync, spawn } from "node:child_process";
import { once } from "node:events";
import { existsSync, mkdtempSync, readdirSync, rmSync, writeFileSync } from "node:fs";
import { connect, createServer } from "node:net";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { setTimeout as sleep } from "node:timers/promises";

/** A running server. */
export interface Broker extends AsyncDisposable {
  readonly version: string;
  readonly url: string;
}

/** Those that are running; they end together. */
export class Brokers implements AsyncDisposable {
  readonly #all: Broker[] = [];

  add(broker: Broker): Broker {
    this.#all.push(broker);
    return broker;
  }

  async [Symbol.asyncDispose](): Promise<void> {
    for (const broker of this.#all.splice(0)) await broker[Symbol.asyncDispose]();
  }
}

/** How long one may take to start. */
const START_TIMEOUT_MS = 60_000;

/** The version of that program, if it is here. */
export function versionOf(program: string, ...args: readonly string[]): string | undefined {
  try {
    const output = execFileSync(program, args, {
      encoding: "utf8",
      stdio: ["ignore", "pipe", "ignore"],
    });
    return /\d+\.\d+\.\d+/.exec(output)?.[0];
  } catch {
    return undefined;
  }
}

/** Redis that writes what it is told to its log, and syncs that every second, as its documentation recommends. */
export async function startRedis(version: string): Promise<Broker> {
  const [folder, port] = [mkdtempSync(join(tmpdir(), "docktor-redis-")), await freePort()];
  const server = spawn(
    "redis-server",
    [
      "--port",
      `${port}`,
      "--bind",
      "127.0.0.1",
      "--dir",
      folder,
      "--appendonly",
      "yes",
      "--save",
      "",
    ],
    { stdio: "ignore" },
  );
  return await running(
    { version, url: `redis://127.0.0.1:${port}`, folder, processes: [server] },
    port,
  );
}

/** RabbitMQ as a node of its own, with an Erlang port mapper of its own. */
export async function startRabbit(version: string): Promise<Broker> {
  const folder = mkdtempSync(join(tmpdir(), "docktor-rabbitmq-"));
  const [port, mapper, distribution] = [await freePort(), await freePort(), await freePort()];
  const config = join(folder, "rabbitmq.conf");
  writeFileSync(config, `listeners.tcp.default = 127.0.0.1:${port}\n`);
  const env = {
    ...process.env,
    HOME: folder,
    ERL_EPMD_PORT: `${mapper}`,
    ERL_EPMD_ADDRESS: "127.0.0.1",
    RABBITMQ_NODENAME: "docktor@localhost",
    RABBITMQ_DIST_PORT: `${distribution}`,
    RABBITMQ_NODE_IP_ADDRESS: "127.0.0.1",
    RABBITMQ_MNESIA_BASE: folder,
    RABBITMQ_LOG_BASE: folder,
    RABBITMQ_CONFIG_FILE: config,
    RABBITMQ_ENABLED_PLUGINS_FILE: join(folder, "plugins"),
  };
  const server = spawn(RABBIT, [], { env, stdio: "ignore", detached: true });
  const url = `amqp://guest:guest@127.0.0.1:${port}`;
  const broker = await running({ version, url, folder, processes: [server] }, port);
  return {
    ...broker,
    [Symbol.asyncDispose]: async () => {
      await broker[Symbol.asyncDispose]();
      // Erlang has started its port mapper by itself, and leaves it. It does not end while it knows of a node.
      const end = (): string =>
        execFileSync("epmd", ["-port", `${mapper}`, "-kill"], { encoding: "utf8" });
      while (!end().includes("Killed")) await sleep(100);
    },
  };
}

/** Debian's program. The one on the PATH goes over to another user, who may not see the folder. */
const RABBIT = "/usr/lib/rabbitmq/bin/rabbitmq-server";

/** RabbitMQ's version, if it is here. Its own program for that would start a port mapper, and leave it. */
export function rabbitVersion(): string | undefined {
  if (!existsSync(RABBIT)) return undefined;
  const folders = readdirSync("/usr/lib/rabbitmq/lib");
  return folders.find((name) => name.startsWith("rabbitmq_server-"))?.split("-")[1];
}

interface Started {
  readonly version: string;
  readonly url: string;
  readonly folder: string;
  readonly processes: readonly ChildProcess[];
}

async function running(
  { version, url, folder, processes }: Started,
  port: number,
): Promise<Broker> {
  const end = async (): Promise<void> => {
    for (const child of processes) await ended(child);
    rmSync(folder, { recursive: true, force: true });
  };
  const until = performance.now() + START_TIMEOUT_MS;
  while (!(await listens(port))) {
    if (performance.now() > until || processes.some(({ exitCode }) => exitCode !== null)) {
      await end();
      throw new Error(`no server came up at ${new URL(url).host}`);
    }
    await sleep(100);
  }
  return { version, url, [Symbol.asyncDispose]: end };
}

/** Ends the process, and those of its group if it leads one. */
async function ended(child: ChildProcess): Promise<void> {
  if (child.exitCode !== null || child.pid === undefined) return;
  const exited = once(child, "exit");
  child.kill("SIGTERM");
  await exited;
}

async function listens(port: number): Promise<boolean> {
  const socket = connect(port, "127.0.0.1");
  try {
    await once(socket, "connect");
    return true;
  } catch {
    return false;
  } finally {
    socket.destroy();
  }
}

async function freePort(): Promise<number> {
  const probe = createServer().listen(0, "127.0.0.1");
  await once(probe, "listening");
  const address = probe.address();
  probe.close();
  await once(probe, "close");
  if (address === null || typeof address === "string") throw new Error("there is no free port");
  return address.port;
}
