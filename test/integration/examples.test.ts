import { execFileSync, spawn } from "node:child_process";
import { once } from "node:events";
import { mkdirSync, mkdtempSync, rmSync } from "node:fs";
import { join, resolve } from "node:path";
import { afterAll, beforeAll, expect, test } from "vitest";
import { closeAfterTest, eventually } from "../support/group.ts";
import { describeOnEachServer } from "../support/servers.ts";

let compiled: string;

beforeAll(() => {
  // Inside the package, so that it finds itself under its name, as users do.
  mkdirSync(".cache", { recursive: true });
  compiled = mkdtempSync(resolve(".cache/examples-"));
  execFileSync("node_modules/.bin/tsc", ["-p", "examples", "--outDir", compiled]);
});

afterAll(() => rmSync(compiled, { recursive: true }));

describeOnEachServer("the examples", ({ start }) => {
  test("publish orders, and consume each customer's in order", async () => {
    const { url } = await start();
    const env = { PATH: process.env["PATH"], NATS_URL: url };
    const produced = execFileSync(process.execPath, [join(compiled, "producer.js")], {
      env,
      encoding: "utf8",
    });
    expect(produced.trimEnd().split("\n")).toHaveLength(9);

    const consumer = spawn(process.execPath, [join(compiled, "consumer.js")], { env });
    const ended = once(consumer, "close");
    closeAfterTest(async () => {
      consumer.kill("SIGKILL");
      await ended;
    });
    let output = "";
    consumer.stdout.on("data", (chunk: Buffer) => (output += chunk.toString()));
    consumer.stderr.on("data", (chunk: Buffer) => (output += chunk.toString()));
    const orders = (customer: number): string[] =>
      [...output.matchAll(new RegExp(`customer-${customer}: \\{"number":(\\d)\\}`, "g"))].map(
        ([, number]) => number ?? "",
      );
    await eventually("all orders are handled", () => {
      return [0, 1, 2].flatMap(orders).length === 9;
    });
    expect([0, 1, 2].map(orders)).toEqual([
      ["3", "6", "9"],
      ["1", "4", "7"],
      ["2", "5", "8"],
    ]);
    expect(output).toContain("own partitions: 0 1 2 3 4 5 6 7");
    consumer.kill("SIGTERM");
    expect(await ended).toEqual([0, null]);
  });
});
