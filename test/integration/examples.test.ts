import { readFileSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { expect, test } from "vitest";
import { compiledExamples, Program, runProgram } from "../support/examples.ts";
import { eventually } from "../support/group.ts";
import { describeOnEachServer } from "../support/servers.ts";

const examples = compiledExamples();

describeOnEachServer("the examples", ({ start }) => {
  test("publish orders, and consume each customer's in order", async () => {
    const { url } = await start();
    const produced = runProgram(join(examples(), "producer.js"), url);
    expect(produced.trimEnd().split("\n")).toHaveLength(9);

    const consumer = new Program(join(examples(), "consumer.js"), url);
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

  test("count each order once in a sink of their own, whatever is handled twice", async () => {
    const { url } = await start();
    runProgram(join(examples(), "producer.js"), url);
    const first = new Program(join(examples(), "fenced-sink.js"), url);
    const counted = (program: Program): number[] => program.numbers(/message (\d+): counted$/gm);
    await eventually("all orders are counted", () => counted(first).length === 9);
    // Before it can commit what it has counted last, perhaps.
    first.kill("SIGKILL");
    await first.ended;
    runProgram(join(examples(), "producer.js"), url);
    const second = new Program(join(examples(), "fenced-sink.js"), url);
    await eventually("the new orders are counted", () => counted(second).length === 9);
    expect(new Set([...counted(first), ...counted(second)]).size).toBe(18);
    expect(await second.stop()).toEqual([0, null]);
  });

  test("run as the README shows them: a message is published, handled, and the group left", async () => {
    const { url } = await start();
    const shown = /```ts\n(import [^`]*)```/.exec(readFileSync("README.md", "utf8"))?.[1] ?? "";
    expect(shown).toContain('"nats://127.0.0.1:4222"');
    writeFileSync(
      join(examples(), "readme.js"),
      shown.replace('"nats://127.0.0.1:4222"', JSON.stringify(url)),
    );
    const program = new Program(join(examples(), "readme.js"), url);
    // In either order: the message may come before the last partition is claimed.
    const lines = ['order-42 {"total":99} fencing token 1', "owns 32 partitions"];
    await eventually("the message is handled, and all partitions are owned", () => {
      return lines.every((line) => program.output.includes(`${line}\n`));
    });
    expect(await program.stop()).toEqual([0, null]);
  });
});
