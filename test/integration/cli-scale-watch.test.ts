/** `docktor scale-watch` as a user calls it. What it does to replicas is tested in `test/fault`. */
import { writeFileSync } from "node:fs";
import { join } from "node:path";
import { expect, test } from "vitest";
import { complaint, docktor, type Ended, temporaryFolder } from "../support/cli.ts";
import { GROUP, numbered, publish, STREAM, SUBJECT } from "../support/group.ts";
import { describeOnSystemsServer } from "../support/servers.ts";

/** Nobody listens there. */
const NOWHERE = "nats://127.0.0.1:9";

describeOnSystemsServer("docktor scale-watch", ({ start }) => {
  async function watch(
    url: string,
    flags: readonly string[],
    more: Readonly<Record<string, unknown>> = {},
  ): Promise<Ended> {
    const cwd = temporaryFolder();
    const service = {
      name: "consumer",
      metrics_window: "1s",
      target: { driver: "process", command: [process.execPath, "-e", ""] },
      queue: { url: NOWHERE, stream: STREAM, consumer: GROUP, subject: SUBJECT },
      ...more,
    };
    writeFileSync(join(cwd, "docktor.yaml"), JSON.stringify({ services: [service] }));
    return await docktor(["scale-watch", ...flags], {
      cwd,
      env: { XDG_STATE_HOME: cwd, NATS_URL: url },
    });
  }

  test("--once --dry-run tells one decision, of the server that the environment names", async () => {
    const { url } = await start();
    await publish(url, numbered(40));
    const ended = await watch(url, ["--once", "--dry-run", "--json"]);
    expect(ended.code).toBe(0);
    expect(JSON.parse(ended.stdout)).toMatchObject({
      service: "consumer",
      current_replicas: 0,
      decision: "scale_up",
      target_replicas: 1,
      observations: { "queue.backlog": 40, "queue.rate_in": 0 },
      dry_run: true,
    });
  });

  test("--once ends with 1 when it cannot read what it would decide by", async () => {
    const { url } = await start();
    const ended = await watch(url, ["--once", "--dry-run"]);
    expect(ended.code).toBe(1);
    expect(ended.stdout).toContain("stream EVENTS does not exist");
  });

  test("--once does not start processes that would end with it", async () => {
    const { url } = await start();
    const ended = await watch(url, ["--once"]);
    expect(complaint(ended)).toContain("processes of the scaler's own and end with it");
    expect(ended.code).toBe(2);
    const dry = await watch(url, ["--once"], { dry_run: true });
    expect(dry.stderr).not.toContain("end with it");
  });

  test("says where the configuration is wrong, and that of all mistakes", async () => {
    const ended = await watch(NOWHERE, [], { min_replicas: 3, max_replicas: 2, slow: "1s" });
    expect(ended.code).toBe(2);
    expect(complaint(ended)).toContain("docktor.yaml:1:");
    expect(complaint(ended)).toContain("services[0].max_replicas: min_replicas (3) is above");
    expect(complaint(ended)).toContain("services[0].slow: there is no such key; did you mean slo?");
  });
});
