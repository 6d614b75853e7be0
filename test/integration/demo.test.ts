import { readdirSync } from "node:fs";
import { expect, test } from "vitest";
import { complaint, Docktor, processesWith, temporaryFolder } from "../support/cli.ts";
import { eventually } from "../support/group.ts";
import { describeOnNewestServer, describeOnSystemsServer } from "../support/servers.ts";

/** A demo whose files are all in a folder of the test's, which all its processes name. */
function demo(binary: string, ...args: string[]): { folder: string; command: Docktor } {
  const folder = temporaryFolder();
  const env = { NATS_SERVER: binary, TMPDIR: folder, NATS_URL: "nats://127.0.0.1:1" };
  return { folder, command: new Docktor(["demo", ...args], { env, cwd: folder }) };
}

// What someone sees who has just cloned the repository.
describeOnSystemsServer("docktor demo", ({ binary }) => {
  test("--json ends by itself with the contract's line, and leaves nothing behind", async () => {
    const { folder, command } = demo(binary, "--json");
    await command.says("member-4 starts", 60_000);
    // Four members, the server and its guard; what ends later is not in the way of what follows.
    expect(processesWith(folder).length).toBeGreaterThanOrEqual(6);
    const { code, stdout, stderr } = await command.ended;

    expect(stdout.trimEnd().split("\n")).toHaveLength(1);
    const result = JSON.parse(stdout) as Record<string, number>;
    expect(Object.keys(result)).toEqual([
      "published",
      "processed",
      "lost",
      "duplicated",
      "outOfOrder",
      "rebalances",
      "scaleUps",
      "scaleDowns",
      "maxReplicas",
      "durationMs",
    ]);
    expect(result).toMatchObject({
      lost: 0,
      outOfOrder: 0,
    });
    // By hand four members came, one of them first, and three left; then the scaler took one to three or more, and back.
    expect(result["scaleUps"]).toBeGreaterThanOrEqual(3 + 2);
    expect(result["scaleDowns"]).toBe(result["scaleUps"] ?? 0);
    expect(result["maxReplicas"]).toBeGreaterThanOrEqual(4);
    expect(result["published"]).toBeGreaterThan(10_000);
    expect(result["processed"]).toBe(result["published"]);
    expect(result["duplicated"]).toBeLessThanOrEqual(8 * 2_048);
    expect(result["rebalances"]).toBeGreaterThanOrEqual(8);
    expect(result["durationMs"]).toBeLessThan(90_000);
    expect(stderr).toMatch(/PASSED: .*; the scaler added \d for the burst and took \d away; /);
    expect(code).toBe(0);

    expect(readdirSync(folder)).toEqual([]);
    await eventually("no process is left", () => processesWith(folder).length === 0);
  }, 150_000);
});

describeOnNewestServer("docktor demo", ({ binary }) => {
  test("Ctrl-C ends everything", async () => {
    const { folder, command } = demo(binary);
    await command.says("member-2 starts", 30_000);
    command.kill("SIGINT");
    const ended = await command.ended;
    expect(complaint(ended)).toBe("docktor: SIGINT: the demo ended without a verdict");
    expect(ended.code).toBe(1);
    expect(readdirSync(folder)).toEqual([]);
    await eventually("no process is left", () => processesWith(folder).length === 0);
  });

  test("so does a member that ends by itself", async () => {
    const { folder, command } = demo(binary);
    await command.says("member-1 32");
    const [member = ""] = processesWith(folder).filter((line) =>
      line.includes("member-id=member-1"),
    );
    process.kill(Number.parseInt(member, 10), "SIGKILL");
    const ended = await command.ended;
    expect(complaint(ended)).toContain("member-1 ended by itself");
    expect(ended.code).toBe(1);
    expect(readdirSync(folder)).toEqual([]);
    await eventually("no process is left", () => processesWith(folder).length === 0);
  });

  test("so does the end of its server", async () => {
    const { folder, command } = demo(binary);
    await command.says("member-1 32");
    const [server = ""] = processesWith(folder).filter((line) => line.includes(binary));
    process.kill(Number.parseInt(server, 10), "SIGKILL");
    const ended = await command.ended;
    expect(complaint(ended)).toBe("docktor: the demo's nats-server ended by itself");
    expect(ended.code).toBe(1);
    expect(readdirSync(folder)).toEqual([]);
    await eventually("no process is left", () => processesWith(folder).length === 0);
  });

  test("killed itself, it leaves no process", async () => {
    const { folder, command } = demo(binary);
    await command.says("member-1 32");
    command.kill("SIGKILL");
    await command.ended;
    await eventually("no process is left", () => processesWith(folder).length === 0);
  });
});
