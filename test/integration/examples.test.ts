import { type ChildProcess, execFileSync, spawn } from "node:child_process";
import { once } from "node:events";
import { mkdirSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from "node:fs";
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

/** A program that runs until the test has seen enough. */
class Program {
  output = "";
  readonly ended: Promise<unknown[]>;
  readonly #child: ChildProcess;

  constructor(file: string, url: string) {
    const env = { PATH: process.env["PATH"], NATS_URL: url };
    this.#child = spawn(process.execPath, [join(compiled, file)], { env });
    this.ended = once(this.#child, "close");
    for (const stream of [this.#child.stdout, this.#child.stderr]) {
      stream?.on("data", (chunk: Buffer) => (this.output += chunk.toString()));
    }
    closeAfterTest(async () => {
      this.#child.kill("SIGKILL");
      await this.ended;
    });
  }

  /** Asks it to leave; resolves with exit code and signal. */
  async stop(): Promise<unknown[]> {
    this.#child.kill("SIGTERM");
    return await this.ended;
  }
}

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

    const consumer = new Program("consumer.js", url);
    const orders = (customer: number): string[] =>
      [
        ...consumer.output.matchAll(new RegExp(`customer-${customer}: \\{"number":(\\d)\\}`, "g")),
      ].map(([, number]) => number ?? "");
    await eventually("all orders are handled", () => {
      return [0, 1, 2].flatMap(orders).length === 9;
    });
    expect([0, 1, 2].map(orders)).toEqual([
      ["3", "6", "9"],
      ["1", "4", "7"],
      ["2", "5", "8"],
    ]);
    const owned = "own partitions: 0 1 2 3 4 5 6 7";
    await eventually("it owns all partitions", () => consumer.output.includes(owned));
    expect(await consumer.stop()).toEqual([0, null]);
  });

  test("run as the README shows them: a message is published, handled, and the group left", async () => {
    const { url } = await start();
    const shown = /```ts\n(import [^`]*)```/.exec(readFileSync("README.md", "utf8"))?.[1] ?? "";
    expect(shown).toContain('"nats://127.0.0.1:4222"');
    writeFileSync(
      join(compiled, "readme.js"),
      shown.replace('"nats://127.0.0.1:4222"', JSON.stringify(url)),
    );
    const program = new Program("readme.js", url);
    await eventually("the message is handled", () => program.output !== "");
    expect(program.output).toBe("order-42 { total: 99 } fencing token 1\n");
    expect(await program.stop()).toEqual([0, null]);
  });
});
