/** `docktor explain`: what was decided, as a person and as a program reads it. */
import { execFile } from "node:child_process";
import { mkdirSync, readdirSync, readFileSync, writeFileSync } from "node:fs";
import { dirname, join } from "node:path";
import { fileURLToPath } from "node:url";
import { promisify } from "node:util";
import { describe, expect, test } from "vitest";
import { complaint, docktor, temporaryFolder } from "../support/cli.ts";

/** The lines of a log of `count` decisions, by turns about two services. */
function lines(count: number): string[] {
  return Array.from({ length: count }, (_, n) =>
    JSON.stringify({
      ts: new Date(2025, 0, 29, 14, 30, n).toISOString(),
      service: n % 2 === 0 ? "web" : "worker",
      current_replicas: n,
      decision: n % 2 === 0 ? "scale_up" : "hold",
      target_replicas: n + 2,
      reason: `queue.backlog ${n}`,
      observations: { "queue.backlog": n },
      metadata: {},
    }),
  );
}

/** A log in the folder for state. */
function state(text: string): { XDG_STATE_HOME: string } {
  const folder = temporaryFolder();
  mkdirSync(join(folder, "docktor"));
  writeFileSync(join(folder, "docktor", "decisions.jsonl"), text);
  return { XDG_STATE_HOME: folder };
}

const TWELVE = `${lines(12).join("\n")}\n`;

describe("docktor explain", () => {
  test("shows the newest ten, the oldest of them first", async () => {
    const { code, stdout, stderr } = await docktor(["explain"], { env: state(TWELVE) });
    expect({ code, stderr }).toEqual({ code: 0, stderr: "" });
    const shown = stdout.split("\n");
    expect(shown.slice(0, 3)).toEqual([
      "SERVICE  TIME                 ACTION    FROM→TO  REASON",
      "web      2025-01-29 14:30:02  scale_up  2→4      queue.backlog 2",
      "worker   2025-01-29 14:30:03  hold      3→5      queue.backlog 3",
    ]);
    expect(shown.slice(-4)).toEqual([
      "worker   2025-01-29 14:30:11  hold      11→13    queue.backlog 11",
      "",
      "Showing 10 of 12 total decisions",
      "",
    ]);
  });

  test("shows as many as it is told to, of the service it is told of", async () => {
    const args = ["explain", "--tail=2", "--service", "web"];
    const { stdout } = await docktor(args, { env: state(TWELVE) });
    expect(stdout.match(/queue\.backlog \d+/g)).toEqual(["queue.backlog 8", "queue.backlog 10"]);
    expect(stdout).toMatch(/\nShowing 2 of 6 total decisions \(filtered by service: web\)\n$/);
  });

  test("says that there are none of a service that never was", async () => {
    const { code, stdout } = await docktor(["explain", "--service", "x"], { env: state(TWELVE) });
    expect({ code, stdout }).toEqual({
      code: 0,
      stdout: "Showing 0 of 0 total decisions (filtered by service: x)\n",
    });
  });

  test("--json prints the lines of the log", async () => {
    const args = ["explain", "--json", "--tail", "3"];
    const { stdout } = await docktor(args, { env: state(TWELVE) });
    expect(stdout.trimEnd().split("\n")).toEqual(lines(12).slice(-3));
  });

  test("--decision-log names another log; a last line that was cut short is left out", async () => {
    const file = join(temporaryFolder(), "other.jsonl");
    writeFileSync(file, `${TWELVE}{"ts":"2025-01-29T`);
    const { stdout } = await docktor(["explain", "--decision-log", file]);
    expect(stdout).toContain("Showing 10 of 12 total decisions");
  });

  test("without a log says what to do", async () => {
    const folder = temporaryFolder();
    const ended = await docktor(["explain"], { env: { XDG_STATE_HOME: folder } });
    expect(complaint(ended)).toBe(
      `docktor: there is no log of decisions at ${folder}/docktor/decisions.jsonl: docktor scale-watch writes one; name another with --decision-log`,
    );
    expect(ended).toMatchObject({ code: 1, stdout: "" });
  });

  test.each([
    ["--tail 0", "'--tail <n>' argument '0' is invalid. Use a whole number from 1 on"],
    ["--tail many", "'--tail <n>' argument 'many' is invalid"],
    ["--sevice web", "unknown option '--sevice' (Did you mean --service?)"],
  ])("%s is bad usage", async (line, text) => {
    const ended = await docktor(["explain", ...line.split(" ")]);
    expect(complaint(ended)).toContain(text);
    expect(ended).toMatchObject({ code: 2, stdout: "" });
  });
});

test("a log that three processes write has every line of each, whichever of them rotates", async () => {
  const folder = temporaryFolder();
  const path = join(folder, "decisions.jsonl");
  const program = `
    const [, module, path, service] = process.argv;
    const { DecisionLog } = await import(module);
    const log = new DecisionLog(path, { fileBytes: 20_000, files: 1_000, onError: (error) => { throw error; } });
    for (let n = 0; n < 300; n++) log.append({ ts: "", service, current_replicas: n, reason: "x".repeat(100) });`;
  const module = fileURLToPath(new URL("../../dist/scaler/decision-log.js", import.meta.url));
  const services = ["a", "b", "c"];
  await Promise.all(
    services.map((service) =>
      promisify(execFile)(process.execPath, [
        "--input-type=module",
        "-e",
        program,
        module,
        path,
        service,
      ]),
    ),
  );
  const files = readdirSync(dirname(path));
  const found = files
    .flatMap((name) => readFileSync(join(folder, name), "utf8").trimEnd().split("\n"))
    .map((line) => JSON.parse(line) as { service: string; current_replicas: number });
  for (const name of services) {
    const numbers = found.filter(({ service }) => service === name);
    expect(new Set(numbers.map(({ current_replicas: n }) => n)).size).toBe(300);
    expect(numbers).toHaveLength(300);
  }
  // It was rotated at all.
  expect(files.length).toBeGreaterThan(1);
});
