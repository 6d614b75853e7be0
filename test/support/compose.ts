/** Compose, the command line, where there is one: `docker compose`, or the older `docker-compose`. */
import { execFile, spawnSync } from "node:child_process";
import { promisify } from "node:util";
import { test } from "vitest";
import { describeMissing } from "./missing.ts";

const COMMAND = [["docker", "compose"], ["docker-compose"]].find(([program = "", ...args]) => {
  return spawnSync(program, [...args, "version"], { stdio: "ignore" }).status === 0;
});

/** Like `test`, where there is a Compose to run. */
export function testWithCompose(title: string, run: () => Promise<void>, timeout?: number): void {
  if (COMMAND !== undefined) test(title, run, timeout);
  else describeMissing(title, "there is neither docker compose nor docker-compose");
}

/** Runs Compose on a project; returns the lines that it printed. */
export type Compose = (...args: readonly string[]) => Promise<string[]>;

/** Compose for the project of that file; the environment is for the variables in it. */
export function composeFor(
  project: string,
  file: string,
  env: Readonly<Record<string, string>> = {},
): Compose {
  const [program = "", ...first] = COMMAND ?? [];
  return async (...args) => {
    const all = [...first, "-p", project, "-f", file, ...args];
    const { stdout } = await promisify(execFile)(program, all, { env: { ...process.env, ...env } });
    return stdout.split("\n").filter(Boolean).sort();
  };
}
