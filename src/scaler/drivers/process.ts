/** Replicas as child processes of ours, on this machine: the driver that needs nothing else. */
import { randomBytes } from "node:crypto";
import { accessSync, constants, mkdirSync, statSync } from "node:fs";
import { delimiter, join } from "node:path";
import { DocktorError, messageOf } from "../../errors.ts";
import { unnamedMember } from "../../member-id.ts";
import { CpuMeter } from "./cpu-meter.ts";
import { type Capabilities, type Driver, GRACE_MS, type Replica } from "./driver.ts";
import { lowestFree } from "./numbers.ts";
import { unlessAborted } from "./patience.ts";
import { readCpu } from "./process-cpu.ts";
import { ReplicaLog } from "./process-log.ts";
import { ProcessReplica } from "./process-replica.ts";
import { fileName, statePath } from "../state-folder.ts";

/** What to run, and how. */
export interface ProcessDriverOptions {
  /** The service's name. */
  readonly service: string;
  /** The program and its arguments; no shell reads them. */
  readonly command: readonly string[];
  /** Added to this process's own environment; `MEMBER_ID` is set for each replica. */
  readonly env?: Readonly<Record<string, string>>;
  /** Where each replica's output is appended to a file of its own. Default: `logs/<service>` in docktor's state folder. */
  readonly logFolder?: string | undefined;
  /** How long replicas may take to end when the driver is closed or its process is gone, in milliseconds. Default 30,000. */
  readonly graceMs?: number;
}

/**
 * Runs a command as often as there are replicas. One that ends by itself is started again after a pause of 1 s that
 * doubles up to 60 s. None outlives this process, however that ends; see `process-life.ts`.
 */
export class ProcessDriver implements Driver {
  readonly capabilities: Capabilities = { choosesVictim: true };
  readonly #options: ProcessDriverOptions;
  readonly #graceMs: number;
  readonly #folder: string;
  readonly #replicas = new Map<string, ProcessReplica>();
  readonly #numbers = new Map<string, number>();
  readonly #cpu = new CpuMeter();
  #closed: Promise<void> | undefined;

  constructor(options: ProcessDriverOptions) {
    this.#options = options;
    this.#graceMs = options.graceMs ?? GRACE_MS;
    this.#folder = options.logFolder ?? statePath("logs", fileName(options.service));
  }

  async current(signal: AbortSignal): Promise<readonly Replica[]> {
    signal.throwIfAborted();
    const replicas = [...this.#replicas.values()];
    const pids = replicas.flatMap(({ pid }) => pid ?? []);
    const used = await unlessAborted(signal, readCpu(pids));
    // By life and not by replica: another process starts again from 0.
    const shares = this.#cpu.look(new Map(pids.map((pid) => [String(pid), used.get(pid)])));
    return replicas.map((replica) => {
      const { memberId, name, state, why, pid } = replica;
      const cpuPercent = pid === undefined ? undefined : shares.get(String(pid));
      const unnamed = pid === undefined ? undefined : unnamedMember(pid);
      const told = { id: memberId, name, memberId, unnamedMember: unnamed, state };
      return { ...told, ...(why && { why }), cpuPercent };
    });
  }

  async grow(count: number, signal: AbortSignal): Promise<void> {
    for (let i = 0; i < count; i++) {
      signal.throwIfAborted();
      if (i === 0) this.#requireCommand();
      await this.#start();
    }
  }

  async remove(victim: Replica, graceMs: number, signal: AbortSignal): Promise<void> {
    signal.throwIfAborted();
    const replica = this.#replicas.get(victim.id);
    if (replica === undefined) return;
    await unlessAborted(signal, this.#stop(replica, graceMs));
  }

  async check(signal: AbortSignal): Promise<void> {
    signal.throwIfAborted();
    this.#requireCommand();
    try {
      mkdirSync(this.#folder, { recursive: true, mode: 0o700 });
      accessSync(this.#folder, constants.W_OK);
    } catch (error) {
      throw this.#asUnavailable(error);
    }
  }

  close(): Promise<void> {
    this.#closed ??= this.#close();
    return this.#closed;
  }

  async #close(): Promise<void> {
    const all = [...this.#replicas.values()];
    await Promise.all(all.map((replica) => this.#stop(replica, this.#graceMs)));
  }

  async #start(): Promise<void> {
    if (this.#closed !== undefined) {
      throw new DocktorError("CLOSED", "the driver is closed and starts nothing any more");
    }
    const { service, command, env } = this.#options;
    const number = lowestFree(this.#numbers.values());
    const name = `${service}-${number}`;
    // Of characters that a member's id may have; the random part sets it apart from those before it.
    const memberId = `${name.replaceAll(/[^A-Za-z0-9_-]/g, "_")}-${randomBytes(3).toString("hex")}`;
    this.#numbers.set(memberId, number);
    try {
      const replica = await ProcessReplica.start({
        name,
        memberId,
        command,
        env: { ...process.env, ...env, MEMBER_ID: memberId },
        log: new ReplicaLog(join(this.#folder, `${fileName(name)}.log`)),
        graceMs: this.#graceMs,
      });
      this.#replicas.set(memberId, replica);
      // Closed meanwhile, without knowing of this one.
      if (this.#closed !== undefined) await this.#stop(replica, this.#graceMs);
    } catch (error) {
      this.#numbers.delete(memberId);
      throw this.#asUnavailable(error);
    }
  }

  async #stop(replica: ProcessReplica, graceMs: number): Promise<void> {
    await replica.stop(graceMs);
    this.#replicas.delete(replica.memberId);
    this.#numbers.delete(replica.memberId);
  }

  #asUnavailable(error: unknown): DocktorError {
    if (error instanceof DocktorError) return error;
    return new DocktorError(
      "TARGET_UNAVAILABLE",
      `the logs of ${this.#options.service} cannot be written in ${this.#folder}: ${messageOf(error)}; make that folder writable, or set target.log_folder`,
      { cause: error },
    );
  }

  #requireCommand(): void {
    const { service, command } = this.#options;
    const [program] = command;
    const path = this.#options.env?.["PATH"] ?? process.env["PATH"] ?? "";
    if (program !== undefined && isRunnable(program, path)) return;
    throw new DocktorError(
      "TARGET_UNAVAILABLE",
      program === undefined
        ? `service ${service} has no command to run: set target.command`
        : `service ${service} cannot be run: ${program} is no program ${program.includes("/") ? "that may be executed" : "on the PATH"}; install it, or correct target.command`,
    );
  }
}

/** Whether a shell would find the program. */
function isRunnable(program: string, path: string): boolean {
  const places = program.includes("/")
    ? [program]
    : path.split(delimiter).map((folder) => join(folder || ".", program));
  return places.some((place) => {
    try {
      accessSync(place, constants.X_OK);
      return statSync(place).isFile();
    } catch {
      return false;
    }
  });
}
