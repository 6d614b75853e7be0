import { execFileSync, spawn } from "node:child_process";
import { once } from "node:events";
import { mkdtemp, rm, writeFile } from "node:fs/promises";
import { createConnection } from "node:net";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { jetstream, jetstreamManager } from "@nats-io/jetstream";
import { connect } from "@nats-io/transport-node";
import { describe, expect, test, vi } from "vitest";
import { findServerBinary } from "../../src/nats/embedded-server.ts";
import { describeOnEachServer, servers } from "../support/servers.ts";

describeOnEachServer("embedded server", ({ start, version }) => {
  test("tells its version and accepts connections once started", async () => {
    const server = await start();
    expect(server.version).toBe(version);
    const connection = await connect({ servers: server.url });
    expect(connection.info?.jetstream).toBe(true);
    await connection.close();
  });

  test("comes back on the same port with its data after a kill", async () => {
    const server = await start();
    const { pid, port } = server;
    const before = await connect({ servers: server.url, reconnect: false });
    const manager = await jetstreamManager(before);
    await manager.streams.add({ name: "KEPT", subjects: ["kept"] });
    await jetstream(before).publish("kept", "data");

    await server.kill();
    await before.closed();
    await server.restart();

    expect(server.port).toBe(port);
    expect(server.pid).not.toBe(pid);
    const after = await connect({ servers: server.url });
    const { state } = await (await jetstreamManager(after)).streams.info("KEPT");
    expect(state.messages).toBe(1);
    await after.close();
  });

  test("stops although it is frozen, and then stays stopped", async () => {
    const server = await start();
    process.kill(server.pid, "SIGSTOP");
    await server.stop();
    await server.stop();
    await expect(server.restart()).rejects.toMatchObject({ code: "CLOSED" });
  });

  test("says the server's last words when it does not start", async () => {
    await expect(start({ extraConfig: "not a setting {" })).rejects.toThrow(
      /did not start: it ended by itself.*\n.*Parse error/,
    );
  });

  test("says which binary cannot be run", async () => {
    await expect(start({ binary: "/nowhere/nats-server" })).rejects.toMatchObject({
      code: "INVALID_OPTION",
      message: expect.stringContaining("/nowhere/nats-server"),
    });
  });
});

describe("finding the server", () => {
  test("refuses a NATS_SERVER that is not executable", () => {
    vi.stubEnv("NATS_SERVER", "/nowhere/nats-server");
    expect(() => findServerBinary()).toThrow("correct it or unset it");
    vi.unstubAllEnvs();
  });
});

describe("a process that is killed", () => {
  test("leaves no server behind", async () => {
    const build = await mkdtemp(join(tmpdir(), "docktor-test-"));
    const binary = servers[0]?.binary;
    // Node 20 runs no TypeScript.
    const flags = "--ignoreConfig --module nodenext --target es2023 --types node --skipLibCheck";
    const options = [...flags.split(" "), "--rewriteRelativeImportExtensions"];
    const source = "src/nats/embedded-server.ts";
    const output = ["--rootDir", "src", "--outDir", build];
    execFileSync("node_modules/.bin/tsc", [...options, ...output, source]);
    await writeFile(join(build, "package.json"), '{ "type": "module" }');
    const program = `import { EmbeddedServer } from "${build}/nats/embedded-server.js";
      const server = await EmbeddedServer.start(${JSON.stringify({ binary })});
      console.log(server.port);`;

    const parent = spawn(process.execPath, ["--input-type=module", "-e", program]);
    const [firstLine] = (await once(parent.stdout, "data")) as [Buffer];
    const port = Number(firstLine.toString());
    expect(await isListening(port)).toBe(true);
    parent.kill("SIGKILL");

    await vi.waitFor(async () => expect(await isListening(port)).toBe(false), { timeout: 5_000 });
    await rm(build, { recursive: true });
  });
});

function isListening(port: number): Promise<boolean> {
  return new Promise((resolve) => {
    const socket = createConnection({ host: "127.0.0.1", port });
    socket.once("connect", () => {
      socket.destroy();
      resolve(true);
    });
    socket.once("error", () => resolve(false));
  });
}
