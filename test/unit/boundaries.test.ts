import { spawnSync } from "node:child_process";
import { cp, mkdir, mkdtemp, rm, symlink, writeFile } from "node:fs/promises";
import { tmpdir } from "node:os";
import { dirname, join, resolve } from "node:path";
import { afterAll, beforeAll, expect, test } from "vitest";

const BOUNDARY = "no-restricted-imports";
const GLOBAL = "no-restricted-globals";

/** Files that break a rule, and the rule that must say so. */
const forbidden: [file: string, code: string, rule: string][] = [
  ["src/clock.ts", 'export * from "./lease/lease.ts";', BOUNDARY],
  ["src/events.ts", 'export type * from "./consumer/consumer.ts";', BOUNDARY],
  ["src/index.ts", 'export * from "./cli/main.ts";', BOUNDARY],
  ["src/nats/a.ts", 'export * from "../lease/lease.ts";', BOUNDARY],
  ["src/nats/b.ts", 'export * from "../index.ts";', BOUNDARY],
  ["src/lease/a.ts", 'export * from "../partition/names.ts";', BOUNDARY],
  ["src/lease/b.ts", 'export const load = () => import("../consumer/consumer.ts");', BOUNDARY],
  ["src/partition/a.ts", 'export * from "../consumer/consumer.ts";', BOUNDARY],
  ["src/partition/b.ts", 'import type { P } from "../producer/p.ts"; export type Q = P;', BOUNDARY],
  ["src/consumer/a.ts", 'export * from "../producer/producer.ts";', BOUNDARY],
  ["src/consumer/b.ts", 'export * from "../cli/main.ts";', BOUNDARY],
  ["src/consumer/c.ts", 'export * from "../record/oracle.ts";', BOUNDARY],
  ["src/record/a.ts", 'export * from "../consumer/consumer.ts";', BOUNDARY],
  ["src/record/b.ts", 'export * from "../clock.ts";', BOUNDARY],
  ["src/producer/a.ts", 'export * from "../lease/lease.ts";', BOUNDARY],
  ["src/producer/b.ts", 'export * from "../partition/rebalancer.ts";', BOUNDARY],
  ["src/producer/c.ts", 'export * from "../consumer/consumer.ts";', BOUNDARY],
  ["src/scaler/a.ts", 'export * from "../consumer/consumer.ts";', BOUNDARY],
  ["src/scaler/drivers/b.ts", 'export * from "../../consumer/consumer.ts";', BOUNDARY],
  ["src/scaler/c.ts", 'export * from "../partition/rebalancer.ts";', BOUNDARY],
  ["src/cli/a.ts", 'export * from "../errors.ts";', BOUNDARY],
  ["src/cli/b.ts", 'export * from "../nats/embedded-server.ts";', BOUNDARY],
  ["src/cli/commands/c.ts", 'export * from "../../consumer/consumer.ts";', BOUNDARY],
  ["src/partition/assignment.ts", 'export * from "./rebalancer.ts";', BOUNDARY],
  ["src/partition/names.ts", 'export * from "node:crypto";', BOUNDARY],
  ["src/partition/partitioner.ts", 'export * from "../consumer/consumer.ts";', BOUNDARY],
  ["src/producer/pacer.ts", 'export * from "p-queue";', BOUNDARY],
  ["src/consumer/progress.ts", "export const now = () => performance.now();", GLOBAL],
  ["src/scaler/policy.ts", "export const now = () => Date.now();", GLOBAL],
  ["src/scaler/policy/a.ts", "export const now = () => performance.now();", GLOBAL],
  ["src/scaler/policy/b.ts", 'export * from "../leader.ts";', BOUNDARY],
  ["src/scaler/replicas.ts", 'export * from "./drivers/docker.ts";', BOUNDARY],
  ["src/scaler/simulator/a.ts", "export const now = () => Date.now();", GLOBAL],
  ["src/scaler/simulator/b.ts", 'export * from "../../lease/lease.ts";', BOUNDARY],
  ["src/cycle-a.ts", 'export * from "./cycle-b.ts";', "no-cycle"],
  ["src/cycle-b.ts", 'export * from "./cycle-a.ts";', "no-cycle"],
  ["src/floating.ts", "const act = async () => {}; act();", "no-floating-promises"],
];

/** Files that stay inside their boundary, to show that the rules do not forbid everything. */
const allowed: [file: string, code: string][] = [
  ["src/nats/ok.ts", 'export * from "../errors.ts"; export * from "@nats-io/kv";'],
  ["src/lease/ok.ts", 'export * from "../nats/connection.ts"; export * from "./lease.ts";'],
  ["src/partition/ok.ts", 'export * from "../lease/lease.ts"; export * from "node:crypto";'],
  ["src/consumer/ok.ts", 'export * from "../partition/rebalancer.ts";'],
  ["src/producer/ok.ts", 'export * from "../partition/topology.ts";'],
  ["src/record/ok.ts", 'export * from "../errors.ts"; export * from "./record.ts";'],
  ["src/scaler/ok.ts", 'export * from "../lease/view.ts"; export * from "../partition/names.ts";'],
  ["src/scaler/policy/ok.ts", 'export * from "./a.ts";'],
  ["src/scaler/simulator/ok.ts", 'export * from "../policy/a.ts"; export * from "./a.ts";'],
  ["src/scaler/drivers/ok.ts", 'export * from "../../partition/assignment.ts";'],
  ["src/cli/ok.ts", 'export * from "../index.ts"; export * from "./format.ts";'],
  ["src/cli/commands/ok.ts", 'export * from "../../index.ts"; export * from "../format.ts";'],
];

interface Report {
  diagnostics: { code: string; filename: string }[];
}

let project: string;
let found: string[];

beforeAll(async () => {
  project = await mkdtemp(join(tmpdir(), "docktor-boundaries-"));
  for (const file of [".oxlintrc.json", "tsconfig.json"]) await cp(file, join(project, file));
  await symlink(resolve("node_modules"), join(project, "node_modules"));
  for (const [file, code] of [...forbidden, ...allowed]) {
    await mkdir(dirname(join(project, file)), { recursive: true });
    await writeFile(join(project, file), `${code}\n`);
  }
  const oxlint = resolve("node_modules/.bin/oxlint");
  const { stdout } = spawnSync(oxlint, ["--type-aware", "-f", "json", "src"], {
    cwd: project,
    encoding: "utf8",
  });
  const { diagnostics } = JSON.parse(stdout) as Report;
  // A code reads "eslint(no-restricted-imports)".
  found = diagnostics.map(
    ({ code, filename }) => `${filename} ${code.replace(/.*\((.*)\)/, "$1")}`,
  );
}, 30_000);

afterAll(() => rm(project, { recursive: true }));

test.each(forbidden)("%s may not contain: %s", (file, _code, rule) => {
  expect(found).toContain(`${file} ${rule}`);
});

test.each(allowed)("%s may contain: %s", (file) => {
  expect(found.filter((line) => line.startsWith(`${file} `))).toEqual([]);
});
