/** The other side of a process with members: starts it, tells it what to do, ends it. */
import { type ChildProcess, fork } from "node:child_process";
import { once } from "node:events";
import { fileURLToPath } from "node:url";
import type { HostCommand, HostOptions, HostReport } from "./host.ts";

const HOST = fileURLToPath(new URL("./host.js", import.meta.url));

/** A process with members. */
export class Host {
  mb = 0;
  readonly #child: ChildProcess;

  private constructor(child: ChildProcess) {
    this.#child = child;
  }

  static async start(options: HostOptions): Promise<Host> {
    const child = fork(HOST, [JSON.stringify(options)]);
    const host = new Host(child);
    await new Promise<void>((resolve, reject) => {
      child.once("exit", (code) => reject(new Error(`a host ended with exit code ${code}`)));
      child.on("message", (report: HostReport) => {
        if (report.type === "memory") host.mb = report.mb;
        else if (report.type === "ready") resolve();
      });
    });
    return host;
  }

  tell(type: HostCommand["type"], member: string): void {
    this.#child.send({ type, member } satisfies HostCommand);
  }

  kill(): void {
    this.#child.kill("SIGKILL");
  }

  async stop(): Promise<void> {
    const exited = once(this.#child, "exit");
    this.kill();
    await exited;
  }
}
