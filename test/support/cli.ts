/** The built command line as a process, as a user has it. */
import { type ChildProcess, execFileSync, spawn } from "node:child_process";
import { mkdtempSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { closeAfterTest, eventually } from "./group.ts";
import { MAIN } from "./processes.ts";

/** How a command ended, and all it printed. */
export interface Ended {
  readonly code: number | null;
  readonly stdout: string;
  readonly stderr: string;
}

/** Where and how to run a command. */
export interface RunOptions {
  /** The environment; of the test's own it sees the PATH only. */
  readonly env?: Readonly<Record<string, string>>;
  readonly cwd?: string;
}

/** A command that runs; it is killed after the test at the latest. */
export class Docktor {
  stdout = "";
  stderr = "";
  readonly child: ChildProcess;
  readonly ended: Promise<Ended>;

  constructor(args: readonly string[], options: RunOptions = {}) {
    const { env = {}, cwd = tmpdir() } = options;
    this.child = spawn(process.execPath, [MAIN, ...args], {
      env: { PATH: process.env["PATH"], ...env },
      cwd,
      stdio: ["ignore", "pipe", "pipe"],
    });
    this.child.stdout?.on("data", (chunk: Buffer) => (this.stdout += chunk.toString()));
    this.child.stderr?.on("data", (chunk: Buffer) => (this.stderr += chunk.toString()));
    this.ended = new Promise((resolve) => {
      this.child.once("close", (code) => {
        resolve({ code, stdout: this.stdout, stderr: this.stderr });
      });
    });
    closeAfterTest(async () => {
      this.child.kill("SIGKILL");
      await this.ended;
    });
  }

  /** Resolves once stdout or stderr has it; fails with what they have instead. */
  async says(text: string, timeout?: number): Promise<void> {
    const said = (): boolean => this.stdout.includes(text) || this.stderr.includes(text);
    const waiting = eventually(`the command says ${text}`, said, timeout);
    await Promise.race([waiting, this.ended]).catch(() => {});
    if (!said()) throw new Error(`it did not say ${text}, but:\n${this.stdout}\n${this.stderr}`);
  }

  kill(signal: NodeJS.Signals): void {
    this.child.kill(signal);
  }
}

/** Runs a command to its end. */
export async function docktor(args: readonly string[], options?: RunOptions): Promise<Ended> {
  return await new Docktor(args, options).ended;
}

/** The one line on stderr with which a command failed. */
export function complaint({ stderr }: Ended): string {
  const lines = stderr.split("\n").filter((line) => line.startsWith("docktor: "));
  if (lines.length === 1) return lines[0] ?? "";
  throw new Error(`not one line of complaint but ${lines.length}:\n${stderr}`);
}

/** A folder that is removed after the test. */
export function temporaryFolder(): string {
  const folder = mkdtempSync(join(tmpdir(), "docktor-test-"));
  closeAfterTest(async () => rmSync(folder, { recursive: true, force: true }));
  return folder;
}

/** The command lines of the processes on this machine that mention it. */
export function processesWith(text: string): string[] {
  const lines = execFileSync("ps", ["-eo", "pid=,args="], { encoding: "utf8" }).split("\n");
  return lines.filter((line) => line.includes(text));
}
