/** A nats-server run by this process: found, started, guarded, and gone with it. */
import { type ChildProcess, spawn } from "node:child_process";
import { accessSync, closeSync, constants, openSync, statSync } from "node:fs";
import { mkdtemp, readFile, rm, writeFile } from "node:fs/promises";
import { createConnection } from "node:net";
import { tmpdir } from "node:os";
import { basename, delimiter, join } from "node:path";
import { setTimeout as sleep } from "node:timers/promises";
import { DocktorError, toDocktorError } from "../errors.ts";

const START_TIMEOUT_MS = 10_000;
const STOP_TIMEOUT_MS = 5_000;
const POLL_INTERVAL_MS = 10;

/** Where package managers put it although not every user's PATH names the folder. */
const USUAL_FOLDERS = ["/usr/sbin", "/usr/local/bin", "/opt/homebrew/bin"];

/**
 * Ends the server and removes its folder once our end of the pipe closes, which happens
 * however this process ends: an exit hook would not run after a SIGKILL.
 */
const GUARD = 'read -r _; kill -9 "$1"; rm -rf "$2"';

/** What an embedded server can be told; everything has a default. */
export interface EmbeddedServerOptions {
  /** The nats-server to run. Default: `$NATS_SERVER`, else the first on the PATH or in a usual folder. */
  binary?: string;
  /** Where JetStream stores its data; a folder given here outlives the server. Default: a temporary folder. */
  storeDir?: string;
  /** The port to listen on. Default: a free one, which the server picks itself. */
  port?: number;
  /** Whether JetStream is on. Default `true`. */
  jetstream?: boolean;
  /** Appended to the server's configuration file. */
  extraConfig?: string;
}

interface RunningServer {
  child: ChildProcess;
  pid: number;
  exited: Promise<void>;
}

interface ServerInfo {
  port: number;
  version: string;
}

/**
 * The nats-server to use on this machine: `$NATS_SERVER`, else the first on the PATH or in
 * the folders where package managers put it.
 */
export function findServerBinary(): string {
  const chosen = process.env["NATS_SERVER"];
  if (chosen) {
    if (isExecutable(chosen)) return chosen;
    throw new DocktorError(
      "INVALID_OPTION",
      `NATS_SERVER is ${chosen}, which is not an executable file: correct it or unset it`,
    );
  }
  const folders = [...(process.env["PATH"] ?? "").split(delimiter), ...USUAL_FOLDERS];
  const found = folders
    .filter((folder) => folder !== "")
    .map((folder) => join(folder, "nats-server"))
    .find(isExecutable);
  if (found !== undefined) return found;
  throw new DocktorError(
    "CONNECTION_FAILED",
    "no nats-server found on the PATH: install it (Debian, Ubuntu: apt-get install nats-server; " +
      "macOS: brew install nats-server), or set NATS_SERVER to the path of one",
    { retriable: false },
  );
}

/**
 * A nats-server of this process's own: for the demo, for tests, for trying things out.
 *
 * It listens on 127.0.0.1 only, does not see the terminal's Ctrl-C (so that its clients
 * can still drain), and is gone when this process is, however this process ends.
 */
export class EmbeddedServer implements AsyncDisposable {
  readonly port: number;
  /** As the server itself says, such as `2.9.10`. */
  readonly version: string;
  readonly #binary: string;
  readonly #folder: string;
  readonly #options: EmbeddedServerOptions;
  #running: RunningServer;
  #stopped: Promise<void> | undefined;

  private constructor(
    binary: string,
    folder: string,
    options: EmbeddedServerOptions,
    running: RunningServer,
    info: ServerInfo,
  ) {
    this.#binary = binary;
    this.#folder = folder;
    this.#options = options;
    this.#running = running;
    this.port = info.port;
    this.version = info.version;
  }

  /**
   * Starts a server; resolves once it accepts connections.
   *
   * @throws DocktorError INVALID_OPTION when the binary cannot be run, else CONNECTION_FAILED
   */
  static async start(options: EmbeddedServerOptions = {}): Promise<EmbeddedServer> {
    const binary = options.binary ?? findServerBinary();
    const folder = await mkdtemp(join(tmpdir(), "docktor-nats-"));
    try {
      const { running, info } = await launch(binary, folder, options, options.port ?? -1);
      return new EmbeddedServer(binary, folder, options, running, info);
    } catch (error) {
      await rm(folder, { recursive: true, force: true });
      throw error;
    }
  }

  /** What clients connect to. */
  get url(): string {
    return `nats://127.0.0.1:${this.port}`;
  }

  /** The process that runs now, or ran last; another one after `restart()`. */
  get pid(): number {
    return this.#running.pid;
  }

  /** Ends the server and removes its temporary folder; may be called again. */
  stop(): Promise<void> {
    this.#stopped ??= this.#stop();
    return this.#stopped;
  }

  /** Ends the server at once, as a crash would; its data stays for `restart()`. */
  async kill(): Promise<void> {
    await end(this.#running, "SIGKILL");
  }

  /** Starts the server again on the same port and data; ends it first if it still runs. @throws DocktorError */
  async restart(): Promise<void> {
    if (this.#stopped !== undefined) {
      throw new DocktorError("CLOSED", "the embedded server was stopped: start a new one");
    }
    await end(this.#running, "SIGTERM");
    const { running } = await launch(this.#binary, this.#folder, this.#options, this.port);
    this.#running = running;
  }

  async [Symbol.asyncDispose](): Promise<void> {
    await this.stop();
  }

  async #stop(): Promise<void> {
    await end(this.#running, "SIGTERM");
    await rm(this.#folder, { recursive: true, force: true });
  }
}

function isExecutable(path: string): boolean {
  try {
    accessSync(path, constants.X_OK);
    return statSync(path).isFile();
  } catch {
    return false;
  }
}

async function launch(
  binary: string,
  folder: string,
  options: EmbeddedServerOptions,
  port: number,
): Promise<{ running: RunningServer; info: ServerInfo }> {
  const configFile = join(folder, "nats-server.conf");
  const logFile = join(folder, "nats-server.log");
  await writeFile(configFile, configuration(folder, options, port));
  const running = await spawnServer(binary, configFile, logFile);
  guard(running, folder);
  try {
    const portsFile = join(folder, `${basename(binary)}_${running.pid}.ports`);
    const info = await untilReady(running, portsFile);
    return { running, info };
  } catch (error) {
    await end(running, "SIGKILL");
    const lastLines = (await readFile(logFile, "utf8")).trim().split("\n").slice(-5).join("\n  ");
    throw new DocktorError(
      "CONNECTION_FAILED",
      `${binary} did not start: ${toDocktorError(error).message}; its last words were\n  ${lastLines}`,
      { cause: error, retriable: false },
    );
  }
}

function configuration(folder: string, options: EmbeddedServerOptions, port: number): string {
  const lines = [`host: "127.0.0.1"`, `port: ${port}`, `ports_file_dir: ${JSON.stringify(folder)}`];
  if (options.jetstream ?? true) {
    const storeDir = options.storeDir ?? join(folder, "jetstream");
    lines.push(`jetstream: { store_dir: ${JSON.stringify(storeDir)} }`);
  }
  return [...lines, options.extraConfig ?? "", ""].join("\n");
}

async function spawnServer(
  binary: string,
  configFile: string,
  logFile: string,
): Promise<RunningServer> {
  const log = openSync(logFile, "a");
  // A process group of its own keeps the terminal's Ctrl-C away from it.
  const child = spawn(binary, ["-c", configFile], { detached: true, stdio: ["ignore", log, log] });
  closeSync(log);
  const exited = new Promise<void>((resolve) => child.once("exit", () => resolve()));
  return new Promise<RunningServer>((resolve, reject) => {
    child.once("error", (error) =>
      reject(
        new DocktorError("INVALID_OPTION", `${binary} cannot be run: ${error.message}`, {
          cause: error,
        }),
      ),
    );
    child.once("spawn", () => {
      if (child.pid !== undefined) resolve({ child, pid: child.pid, exited });
    });
  });
}

function guard({ child, pid }: RunningServer, folder: string): void {
  const guardian = spawn("sh", ["-c", GUARD, "nats-server-guard", String(pid), folder], {
    detached: true,
    stdio: ["pipe", "ignore", "ignore"],
  });
  guardian.unref();
  // The process id may be another program's by the time this process ends.
  child.once("exit", () => guardian.kill("SIGKILL"));
}

async function untilReady(running: RunningServer, portsFile: string): Promise<ServerInfo> {
  const deadline = performance.now() + START_TIMEOUT_MS;
  while (running.child.exitCode === null && running.child.signalCode === null) {
    const port = await readPort(portsFile);
    if (port !== undefined) return { port, version: await readVersion(port) };
    if (performance.now() > deadline) {
      throw new DocktorError("TIMEOUT", `it was not ready after ${START_TIMEOUT_MS} ms`);
    }
    await sleep(POLL_INTERVAL_MS);
  }
  throw new DocktorError("CONNECTION_FAILED", "it ended by itself");
}

async function readPort(portsFile: string): Promise<number | undefined> {
  try {
    const ports = JSON.parse(await readFile(portsFile, "utf8")) as { nats: string[] };
    return Number(new URL(ports.nats[0] ?? "").port);
  } catch {
    // Not there yet, or half written.
    return undefined;
  }
}

/** The version from the INFO line with which a server greets every connection. */
function readVersion(port: number): Promise<string> {
  return new Promise((resolve, reject) => {
    let greeting = "";
    const socket = createConnection({ host: "127.0.0.1", port });
    socket.setEncoding("utf8");
    socket.setTimeout(START_TIMEOUT_MS, () =>
      socket.destroy(new DocktorError("TIMEOUT", "it accepted a connection but said nothing")),
    );
    socket.on("data", (chunk: string) => {
      greeting += chunk;
      const info = /^INFO (.*)\r\n/.exec(greeting)?.[1];
      if (info === undefined) return;
      resolve((JSON.parse(info) as { version: string }).version);
      socket.destroy();
    });
    socket.on("error", reject);
    // Without effect when the greeting was read before.
    socket.on("close", () =>
      reject(new DocktorError("CONNECTION_FAILED", "it closed the connection without a greeting")),
    );
  });
}

/** Sends the signal and waits for the end; a server that ignores it for too long is killed. */
async function end({ child, exited }: RunningServer, signal: NodeJS.Signals): Promise<void> {
  if (child.exitCode !== null || child.signalCode !== null) return;
  child.kill(signal);
  // A server that a test has frozen with SIGSTOP would not see the signal.
  child.kill("SIGCONT");
  const impatience = setTimeout(() => child.kill("SIGKILL"), STOP_TIMEOUT_MS);
  await exited;
  clearTimeout(impatience);
}
