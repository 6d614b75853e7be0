/** What `docktor config validate` looks at when neither a server nor a platform is there. */
import { mkdirSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { describe, expect, test } from "vitest";
import { configChecks, runChecks } from "../../src/scaler/config/checks.ts";
import { temporaryFolder } from "../support/cli.ts";
import { FILE, QUEUE, read } from "../support/config.ts";

describe("the checks that need files only", () => {
  /** What the checks of a file with this compose file tell. */
  async function checked(compose: string | undefined, text: string): Promise<string[]> {
    const folder = temporaryFolder();
    if (compose !== undefined) writeFileSync(join(folder, "compose.yaml"), compose);
    mkdirSync(join(folder, "more"));
    writeFileSync(join(folder, "more", "b.yaml"), "services: { b: { image: x } }");
    const config = read(`compose_file: compose.yaml\n${text}`, join(folder, FILE));
    const lines: string[] = [];
    for await (const { name, ok, message } of runChecks(configChecks(config))) {
      lines.push(`${ok ? "✓" : "✗"} ${name}: ${message}`.replaceAll(folder, ""));
    }
    return lines;
  }

  const services = (...names: string[]): string =>
    `services: [${names.map((name) => `{ name: ${name}, ${QUEUE.replace("WORKERS", name)} }`).join(", ")}]`;

  test("find the service in the compose file, and those it includes", async () => {
    const compose = "include: [more/b.yaml]\nservices:\n  a: { image: x, ports: !reset [] }\n";
    expect(await checked(compose, services("a", "b"))).toEqual([
      "✓ compose file /compose.yaml: 2 services",
      "✓ a: compose service: a",
      "✓ a: replicas: 1 to 10, every 5s",
      "✓ a: policy: rate: busy for 80 %, waits up to 10s, catches up in 10s",
      "✓ b: compose service: b",
      "✓ b: replicas: 1 to 10, every 5s",
      "✓ b: policy: rate: busy for 80 %, waits up to 10s, catches up in 10s",
    ]);
  });

  test("refuse two services of one consumer, of which the second would never lead", async () => {
    const compose = "services: { a: { image: x }, b: { image: x } }\n";
    const text = `services: [{ name: a, ${QUEUE} }, { name: b, ${QUEUE} }]`;
    expect(await checked(compose, text)).toContain(
      "✗ b: consumer WORKERS: service a scales WORKERS of stream EVENTS already, and this one would stand by for ever",
    );
  });

  test("miss a service whose name is only mentioned", async () => {
    const compose = "services:\n  consumer: { image: consumers }\n";
    expect(await checked(compose, services("consumers"))).toContain(
      "✗ consumers: compose service: /compose.yaml has no service consumers; did you mean consumer?",
    );
  });

  test("miss a compose file that is not there, or is none", async () => {
    expect(await checked(undefined, services("a"))).toContainEqual(
      expect.stringMatching(/^✗ compose file \/compose.yaml: cannot read .* ENOENT/),
    );
    expect(await checked("services: [", services("a"))).toContainEqual(
      expect.stringMatching(/^✗ compose file \/compose.yaml: \/compose.yaml:1:12: this is no YAML/),
    );
    expect(await checked("a: 1", services("a"))).toContainEqual(
      expect.stringContaining("✗ compose file /compose.yaml: /compose.yaml has no services"),
    );
  });

  test("refuse a service of which there can be one only", async () => {
    const compose = "services: { a: { image: x, container_name: only } }";
    expect(await checked(compose, services("a"))).toContainEqual(
      expect.stringContaining("✗ a: compose service: a has a container_name"),
    );
  });

  test("tell rules in words", async () => {
    const rules = '{ scale_up_when: [{ metric: queue.lag, op: ">", value: 9 }] }';
    const text = `services: [{ name: a, ${QUEUE}, rules: ${rules}, paused: in, dry_run: true }]`;
    const lines = await checked("services: { a: {} }", text);
    expect(lines).toContain("✓ a: replicas: 1 to 10, every 5s, paused (in), dry run");
    expect(lines).toContain("✓ a: policy: rules: up by 2 when queue.lag > 9; down never");
  });

  test("one that takes too long has failed", async () => {
    const never = {
      name: "slow",
      run: (signal: AbortSignal) =>
        new Promise<string>((_resolve, reject) => {
          signal.addEventListener("abort", () => reject(signal.reason as Error));
        }),
    };
    const results = [];
    for await (const result of runChecks([never], 1)) results.push(result);
    expect(results).toEqual([
      { name: "slow", ok: false, message: "there was no answer within 1ms" },
    ]);
  });
});
