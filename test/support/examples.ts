/** The examples as users run them: compiled, with the package found under its name. */
import { type ChildProcess, execFileSync, spawn } from "node:child_process";
import { once } from "node:events";
import { mkdirSync, mkdtempSync, rmSync } from "node:fs";
import { resolve } from "node:path";
import { afterAll, beforeAll } from "vitest";
import { closeAfterTest } from "./group.ts";

/** Compiles the examples for the tests of a file; returns where they are, once they run. */
export function compiledExamples(): () => string {
  let folder = "";
  beforeAll(() => {
    // Inside the package, so that it finds itself under its name, as users do.
    mkdirSync(".cache", { recursive: true });
    folder = mkdtempSync(resolve(".cache/examples-"));
    execFileSync("node_modules/.bin/tsc", ["-p", "examples", "--outDir", folder]);
  });
  afterAll(() => rmSync(folder, { recursive: true }));
  return () => folder;
}

/** A program that runs until the test has seen enough. */
export class Program {
  output = "";
  readonly ended: Promise<unknown[]>;
  readonly #child: ChildProcess;

  constructor(file: string, url: string, env: Readonly<Record<string, string>> = {}) {
    this.#child = spawn(process.execPath, [file], {
      env: { PATH: process.env["PATH"], NATS_URL: url, ...env },
    });
    this.ended = once(this.#child, "close");
    for (const stream of [this.#child.stdout, this.#child.stderr]) {
      stream?.on("data", (chunk: Buffer) => (this.output += chunk.toString()));
    }
    closeAfterTest(async () => {
      this.#child.kill("SIGKILL");
      await this.ended;
    });
  }

  /** The numbers that the pattern's group finds in the output, in order. */
  numbers(pattern: RegExp): number[] {
    return Array.from(this.output.matchAll(pattern), ([, number]) => Number(number));
  }

  kill(signal: NodeJS.Signals): void {
    this.#child.kill(signal);
  }

  /** Asks it to leave; resolves with exit code and signal. */
  async stop(): Promise<unknown[]> {
    this.kill("SIGTERM");
    return await this.ended;
  }
}

/** Runs a program to its end; returns what it printed. */
export function runProgram(file: string, url: string): string {
  const env = { PATH: process.env["PATH"], NATS_URL: url };
  return execFileSync(process.execPath, [file], { env, encoding: "utf8" });
}
