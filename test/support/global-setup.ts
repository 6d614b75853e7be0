import { execFile, execFileSync } from "node:child_process";
import { promisify } from "node:util";
import type { TestProject } from "vitest/node";

/** A nats-server that tests run on, or the reason why they cannot. */
export type TestServer = { name: string } & (
  | { binary: string; version: string }
  | { missing: string }
);

declare module "vitest" {
  interface ProvidedContext {
    servers: TestServer[];
  }
}

/**
 * Finds the servers, and compiles what tests start as processes, so that `npx vitest` works by itself
 * as `make test` does.
 */
export default async function setup(project: TestProject): Promise<void> {
  execFileSync("npm", ["run", "--silent", "build"]);
  const system = await runScript("scripts/nats-server.sh");
  if ("missing" in system) throw new Error(system.missing);
  const newest = await runScript("scripts/newest-nats-server.sh");
  if ("missing" in newest) console.warn(`No tests on the newest nats-server: ${newest.missing}`);
  project.provide("servers", [
    { name: "the system's nats-server", ...system },
    { name: "the newest nats-server", ...newest },
  ]);
}

async function runScript(
  script: string,
): Promise<{ binary: string; version: string } | { missing: string }> {
  try {
    const { stdout } = await promisify(execFile)(script);
    const binary = stdout.trim();
    // It prints "nats-server: v2.9.10".
    const version = execFileSync(binary, ["--version"], { encoding: "utf8" }).trim();
    return { binary, version: version.replace(/^.*v/, "") };
  } catch (error) {
    const said = (error as { stderr?: string }).stderr;
    return { missing: said?.trim() || String(error) };
  }
}
