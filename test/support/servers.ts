import { afterEach, describe, expect, inject, vi } from "vitest";
import { EmbeddedServer, type EmbeddedServerOptions } from "../../src/nats/embedded-server.ts";
import { Cluster } from "./cluster.ts";
import type { TestServer } from "./global-setup.ts";
import { closeAll } from "./group.ts";
import { describeMissing } from "./missing.ts";

const provided = inject("servers");

/** The nats-servers that tests run on: the system's, and the newest where it can be had. */
export const servers: readonly { name: string; version: string; binary: string }[] =
  provided.filter((server) => "binary" in server);

/** What the tests of one server get. */
export interface ServerContext {
  /** The server in words, with its version. */
  name: string;
  version: string;
  /** Where its program is. */
  binary: string;
  /** Starts a server, which is stopped after the test. */
  start: (options?: EmbeddedServerOptions) => Promise<EmbeddedServer>;
  /** Starts a cluster of three, which is stopped after the test. */
  startCluster: () => Promise<Cluster>;
}

/**
 * Like `describe`, once for each nats-server. After each test every server is stopped, and
 * the test fails if it left a child process behind.
 *
 * A server that cannot be had is skipped with the reason, but in CI it fails: there,
 * nobody reads what was skipped.
 */
export function describeOnEachServer(
  title: string,
  define: (context: ServerContext) => void,
): void {
  for (const server of provided) describeOn(server, title, define);
}

/** The same on the system's nats-server alone, for what takes long and is not about the server. */
export function describeOnSystemsServer(
  title: string,
  define: (context: ServerContext) => void,
): void {
  for (const server of provided.slice(0, 1)) describeOn(server, title, define);
}

/** The same on the newest nats-server alone. */
export function describeOnNewestServer(
  title: string,
  define: (context: ServerContext) => void,
): void {
  for (const server of provided.slice(-1)) describeOn(server, title, define);
}

function describeOn(
  server: TestServer,
  title: string,
  define: (context: ServerContext) => void,
): void {
  if ("missing" in server) {
    describeMissing(`${title} (${server.name})`, server.missing);
    return;
  }
  const { binary, version } = server;
  const name = `nats-server ${version}`;
  describe(`${title} (${name})`, () => {
    define({ name, version, binary, ...startForOneTest(binary) });
  });
}

function startForOneTest(binary: string): Pick<ServerContext, "start" | "startCluster"> {
  const started: (EmbeddedServer | Cluster)[] = [];

  afterEach(async () => {
    // This hook runs before those of the file: what is left over would be left for good.
    await closeAll();
    await Promise.all(started.splice(0).map((server) => server.stop()));
    // A child that has just ended may still be counted for a moment.
    await vi.waitFor(() => {
      expect(countChildren(), "child processes that a test left running").toBe(0);
    });
  });

  return {
    start: async (options) => {
      const server = await EmbeddedServer.start({ binary, ...options });
      started.push(server);
      return server;
    },
    startCluster: async () => {
      const cluster = await Cluster.start(binary);
      started.push(cluster);
      return cluster;
    },
  };
}

function countChildren(): number {
  return process.getActiveResourcesInfo().filter((name) => name === "ProcessWrap").length;
}
