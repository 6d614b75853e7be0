/**
 * One life of a child process that cannot outlive us, however we end: not even a SIGKILL leaves it as an orphan.
 *
 * Beside each child runs a guardian, a shell of some hundred kilobytes in a session of its own. It reads from a pipe to us,
 * which the system closes when we are gone, and then ends the child: SIGTERM, the grace, SIGKILL. Neither an exit hook of
 * ours (a SIGKILL runs none), nor the parent-death signal (Linux only, and out of reach of Node), nor a wire that
 * the child would have to watch can promise that for any command on any Unix.
 *
 * The child waits at a gate, another pipe, until its guardian knows it: whenever we are killed, either
 * the guardian has its process id, or the child's gate closes and it ends before it has become the command. It then
 * *becomes* the command (`exec`), so that its process id, exit code and signals are the command's own.
 *
 * The child leads a process group of its own: the terminal's Ctrl-C does not reach it, and what it starts, as `npm run`
 * or a shell script does, is asked to end together with it and does not stay behind.
 */
import { type ChildProcess, spawn } from "node:child_process";
import { once } from "node:events";
import type { Writable } from "node:stream";
import { systemClock } from "../../clock.ts";
import { DocktorError } from "../../errors.ts";

/** How often is looked whether a process group is gone. */
const LOOK_MS = 20;

/** `$1`: the grace in seconds. A process group is addressed by its leader's id with a minus before it. */
const GUARD = `
  read -r pid || exit
  read -r _
  kill -s TERM -- "-$pid"
  left=$1
  while kill -s 0 -- "-$pid"; do
    if [ "$left" -le 0 ]; then kill -s KILL -- "-$pid"; exit; fi
    sleep 1
    left=$((left - 1))
  done`;

const START = 'read -r _ <&3 && exec "$@" 3<&-';

/** What to run. */
export interface LifeOptions {
  /** In the shell's complaints, should the command not be there. */
  readonly name: string;
  readonly command: readonly string[];
  readonly env: NodeJS.ProcessEnv;
  /** An open file for what it says. */
  readonly log: number;
  /** How long it may take to end when we are gone, in milliseconds. */
  readonly graceMs: number;
}

/** How a process ended. */
export type Ending = { readonly exitCode: number } | { readonly killedBy: NodeJS.Signals };

/** A running child with its guardian. */
export class Life {
  readonly pid: number;
  /** Resolves when the child has ended, by itself or not; some of what it started may still run. */
  readonly ended: Promise<Ending>;
  readonly #guardian: ChildProcess;
  #ending: Promise<void> | undefined;

  private constructor(pid: number, child: ChildProcess, guardian: ChildProcess) {
    this.pid = pid;
    this.#guardian = guardian;
    this.ended = new Promise((resolve) => {
      child.once("exit", (exitCode, killedBy) =>
        resolve(killedBy === null ? { exitCode: exitCode ?? 0 } : { killedBy }),
      );
    });
  }

  /** Starts the command. @throws DocktorError TARGET_UNAVAILABLE when the system has no process for it */
  static async begin({ name, command, env, log, graceMs }: LifeOptions): Promise<Life> {
    const grace = String(Math.ceil(graceMs / 1_000));
    const guardian = spawn("sh", ["-c", GUARD, "docktor-guardian", grace], {
      detached: true,
      stdio: ["pipe", "ignore", "ignore"],
    });
    const child = spawn("sh", ["-c", START, name, ...command], {
      detached: true,
      stdio: ["ignore", log, log, "pipe"],
      env,
    });
    // Without room for more open files there are not even pipes.
    const gate = (child.stdio as readonly unknown[] | undefined)?.[3] as Writable | undefined;
    const leash = guardian.stdin ?? undefined;
    // Whoever is at the other end may be gone; that shows elsewhere.
    for (const each of [guardian, child, leash, gate]) each?.on("error", () => undefined);
    if (guardian.pid === undefined || child.pid === undefined) {
      const failed = guardian.pid === undefined ? guardian : child;
      const [cause] = (await once(failed, "error")) as [Error];
      // The other one ends when its pipe does.
      gate?.destroy();
      leash?.destroy();
      throw new DocktorError(
        "TARGET_UNAVAILABLE",
        `${name} cannot be started: ${cause.message}; see that sh is there, and that there is room for more processes and open files (ulimit -u, ulimit -n)`,
        { cause },
      );
    }
    guardian.unref();
    // The guardian first: what is written is there for it, even if we are killed right after.
    leash?.write(`${child.pid}\n`);
    gate?.end("go\n");
    return new Life(child.pid, child, guardian);
  }

  /**
   * Asks the child, and what it has started, to end; kills what is left of them after `graceMs`. Resolves once all of them
   * are gone. Whoever is asked twice might leave in a hurry: only the first call asks.
   */
  end(graceMs: number): Promise<void> {
    this.#ending ??= this.#end(graceMs);
    return this.#ending;
  }

  async #end(graceMs: number): Promise<void> {
    const deadline = systemClock.now() + graceMs;
    this.#signal("SIGTERM");
    // One that is stopped (Ctrl-Z, SIGSTOP) would not see it.
    this.#signal("SIGCONT");
    while (this.#signal(0)) {
      if (systemClock.now() >= deadline) {
        this.#signal("SIGKILL");
        break;
      }
      await systemClock.sleep(LOOK_MS);
    }
    await this.ended;
    // The id may be another program's one day. From here on nobody is left to guard.
    this.#guardian.ref();
    if (this.#guardian.kill("SIGKILL")) await once(this.#guardian, "exit");
  }

  /** Whether the group was there to be signalled. */
  #signal(name: NodeJS.Signals | 0): boolean {
    try {
      return process.kill(-this.pid, name);
    } catch {
      return false;
    }
  }
}
