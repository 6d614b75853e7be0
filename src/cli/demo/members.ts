/** The demo's members: each a process of its own, running `docktor consume`. */
import { type ChildProcess, spawn } from "node:child_process";
import { closeSync, openSync, readFileSync } from "node:fs";
import { join } from "node:path";
import { fileURLToPath } from "node:url";
import { DocktorError } from "../../index.ts";
import type { Scene } from "./scene.ts";

const MAIN = fileURLToPath(new URL("../main.js", import.meta.url));

/** How long each message takes; 32 partitions then handle some 3,500 messages a second. */
const PROCESS_TIME_MS = 8;

interface MemberProcess {
  readonly child: ChildProcess;
  /** Its exit code; `null` if a signal ended it. */
  readonly exited: Promise<number | null>;
  /** It is to end, so its end is no accident. */
  leaving: boolean;
}

/** The member processes of one demo. */
export class Members {
  readonly #scene: Scene;
  readonly #onAccident: (error: DocktorError) => void;
  readonly #running = new Map<string, MemberProcess>();
  #started = 0;
  #left = 0;

  /** `onAccident` is told when a member ends that was not told to. */
  constructor(scene: Scene, onAccident: (error: DocktorError) => void) {
    this.#scene = scene;
    this.#onAccident = onAccident;
  }

  /** How many were started. */
  get started(): number {
    return this.#started;
  }

  /** How many left gracefully. */
  get left(): number {
    return this.#left;
  }

  /** The ids of those that run, sorted. */
  get ids(): string[] {
    return [...this.#running.keys()].sort();
  }

  /** Starts the next member; returns its id. */
  start(): string {
    const id = `member-${++this.#started}`;
    const { url, stream, subject, group, partitions, ttlMs, folder, recordPath } = this.#scene;
    const settings = {
      servers: url,
      stream,
      subject,
      group,
      partitions,
      "member-id": id,
      "session-ttl-ms": ttlMs,
      record: recordPath,
      "process-time-ms": PROCESS_TIME_MS,
      "log-level": "warn",
    };
    const flags = Object.entries(settings).map(([name, value]) => `--${name}=${value}`);
    const log = openSync(join(folder, `${id}.log`), "a");
    // Away from the terminal's Ctrl-C, so that one process decides; but on a wire to us, so
    // that it ends when we do, however we end.
    const child = spawn(process.execPath, [MAIN, "consume", ...flags], {
      detached: true,
      stdio: ["ignore", "ignore", log, "ipc"],
    });
    closeSync(log);
    const exited: MemberProcess["exited"] = new Promise((resolve) => {
      child.once("exit", (code) => resolve(code));
      child.once("error", () => resolve(null));
    });
    const member: MemberProcess = { child, exited, leaving: false };
    this.#running.set(id, member);
    void exited.then(() => {
      this.#running.delete(id);
      if (!member.leaving) this.#onAccident(this.#accident(id));
    });
    return id;
  }

  /** Asks a member to leave; resolves once it has. */
  async leave(id: string): Promise<void> {
    const code = await this.#end(id, "SIGTERM");
    if (code !== 0) throw this.#accident(id);
    this.#left++;
  }

  /** Ends a member as a crash would. */
  async kill(id: string): Promise<void> {
    await this.#end(id, "SIGKILL");
  }

  /** Ends all that still run. */
  killAll(): Promise<unknown> {
    return Promise.all(this.ids.map((id) => this.kill(id)));
  }

  async #end(id: string, name: NodeJS.Signals): Promise<number | null> {
    const member = this.#running.get(id);
    if (member === undefined) throw this.#accident(id);
    member.leaving = true;
    member.child.kill(name);
    return await member.exited;
  }

  #accident(id: string): DocktorError {
    const words = readFileSync(join(this.#scene.folder, `${id}.log`), "utf8").trim();
    const last = words.split("\n").at(-1) || "it said nothing";
    return new DocktorError("UNEXPECTED", `${id} ended by itself: ${last}`);
  }
}
