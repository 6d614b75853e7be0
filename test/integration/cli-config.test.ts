/** `docktor config`: writing a configuration, and seeing that it can work. */
import { existsSync, readFileSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { describe, expect, test } from "vitest";
import { complaint, docktor, type Ended, temporaryFolder } from "../support/cli.ts";

/** It names nothing that is not there. */
const GOOD = `services:
  - name: consumer
    rules:
      scale_up_when:
        - { metric: cpu.avg_pct, op: ">", value: 75 }
    target: { driver: process, command: [node, consumer.js] }
`;

/** Runs docktor config validate in that folder, with a folder of its own for what the drivers keep. */
async function validate(cwd: string, ...args: string[]): Promise<Ended> {
  const env = { XDG_STATE_HOME: temporaryFolder() };
  return await docktor(["config", "validate", ...args], { cwd, env });
}

/** A folder with this as its docktor.yaml. */
function folderWith(text: string, name = "docktor.yaml"): string {
  const folder = temporaryFolder();
  writeFileSync(join(folder, name), text);
  return folder;
}

describe("docktor config init", () => {
  test("writes a docktor.yaml, and says what to do with it", async () => {
    const cwd = temporaryFolder();
    const { code, stdout, stderr } = await docktor(["config", "init"], { cwd });
    expect({ code, stderr }).toEqual({ code: 0, stderr: "" });
    expect(stdout).toMatch(/^wrote docktor.yaml\nnext: .*docktor config validate says.*\n$/);
    expect(readFileSync(join(cwd, "docktor.yaml"), "utf8")).toMatch(/^services:$/m);
  });

  test("writes it where it is told to, and says so to programs", async () => {
    const cwd = temporaryFolder();
    const { stdout } = await docktor(["config", "init", "--config", "mine.yaml", "--json"], {
      cwd,
    });
    expect(stdout).toBe('{"file":"mine.yaml"}\n');
    expect(existsSync(join(cwd, "mine.yaml"))).toBe(true);
  });

  test.each(["docktor.yaml", "docktor.yml"])(
    "leaves a %s alone unless it is forced",
    async (name) => {
      const cwd = folderWith("mine\n", name);
      const refused = await docktor(["config", "init"], { cwd });
      expect(complaint(refused)).toContain(`${name} is there already: keep it, name another file`);
      expect(refused).toMatchObject({ code: 2, stdout: "" });
      expect(readFileSync(join(cwd, name), "utf8")).toBe("mine\n");
      expect(await docktor(["config", "init", "--force"], { cwd })).toMatchObject({ code: 0 });
      expect(readFileSync(join(cwd, "docktor.yaml"), "utf8")).toMatch(/^services:$/m);
    },
  );

  test("says why it cannot write", async () => {
    const cwd = temporaryFolder();
    const ended = await docktor(["config", "init", "--config", "no/where.yaml"], { cwd });
    expect(complaint(ended)).toContain("cannot write no/where.yaml: ENOENT");
    expect(ended.code).toBe(2);
  });
});

describe("docktor config validate", () => {
  test("has a line for each check", async () => {
    const ended = await validate(folderWith(GOOD));
    expect(ended).toMatchObject({ code: 0, stderr: "" });
    const told = ended.stdout.trimEnd().split("\n");
    expect(told).toEqual(
      expect.arrayContaining([
        "✓ docktor.yaml: 1 service: consumer",
        "✓ consumer: replicas: 1 to 10, every 5s",
        "✓ consumer: policy: rules: up by 2 when cpu.avg_pct > 75; down never",
      ]),
    );
    expect(told.at(-1)).toBe("All checks passed!");
  });

  test("finds docktor.yml, and takes --config before both", async () => {
    const cwd = folderWith(GOOD, "docktor.yml");
    expect((await validate(cwd)).stdout).toContain("✓ docktor.yml: ");
    writeFileSync(join(cwd, "other.yaml"), GOOD.replace("consumer", "other"));
    const named = await validate(cwd, "--config", "other.yaml");
    expect(named.stdout).toContain("✓ other.yaml: 1 service: other\n");
  });

  test("tells all that is wrong, each with its place and its key", async () => {
    const cwd = folderWith(`${GOOD}    max_replica: 3\n    slo: soon\n`);
    const ended = await validate(cwd);
    expect(ended.stdout.trimEnd().split("\n")).toEqual([
      "✗ docktor.yaml:7:5 services[0].max_replica: there is no such key; did you mean max_replicas?",
      "✗ docktor.yaml:8:5 services[0].slo: policy rules does not heed this: remove it, or change policy",
      expect.stringMatching(
        /^✗ docktor\.yaml:8:10 services\[0\]\.slo: "soon" is not possible: use seconds or a duration/,
      ),
    ]);
    expect(complaint(ended)).toMatch(/^docktor: 3 checks of 3 failed: /);
    expect(ended.code).toBe(1);
  });

  test("misses a service in the compose file", async () => {
    const cwd = folderWith(`compose_file: compose.yaml\n${GOOD.replace(/ {4}target.*\n/, "")}`);
    writeFileSync(join(cwd, "compose.yaml"), "services: { consumers: { image: consumer } }\n");
    const { code, stdout } = await validate(cwd);
    expect(stdout).toContain("✓ compose file compose.yaml: 1 service\n");
    expect(stdout).toContain(
      "✗ consumer: compose service: compose.yaml has no service consumer; did you mean consumers?\n",
    );
    expect(code).toBe(1);
  });

  test("says what to do without a configuration", async () => {
    const cwd = temporaryFolder();
    const none = await validate(cwd);
    expect(none.stdout).toMatch(
      /^✗ configuration: there is no docktor.yaml or docktor.yml here: write one with "docktor config init", or/,
    );
    expect(none.code).toBe(1);
    const named = await validate(cwd, "--config", "x.yaml");
    expect(named.stdout).toMatch(/^✗ x.yaml: cannot read the configuration x.yaml: ENOENT/);
    expect(named.code).toBe(1);
  });

  test("--json prints one object", async () => {
    const good = await validate(folderWith(GOOD), "--json");
    expect(JSON.parse(good.stdout)).toMatchObject({
      ok: true,
      checks: expect.arrayContaining([
        { name: "docktor.yaml", ok: true, message: "1 service: consumer" },
      ]),
    });
    const bad = await validate(folderWith("a: 1"), "--json");
    expect(bad.code).toBe(1);
    expect(JSON.parse(bad.stdout)).toMatchObject({
      ok: false,
      checks: [{ name: "docktor.yaml:1:1 a", ok: false, message: expect.any(String) }],
    });
  });
});

describe("docktor config", () => {
  test("lists its commands", async () => {
    const { code, stdout } = await docktor(["config"]);
    expect(code).toBe(0);
    for (const command of ["init", "validate"]) {
      expect(stdout).toMatch(new RegExp(`^  ${command} `, "m"));
      const help = await docktor(["config", command, "--help"]);
      expect(help.stdout).toMatch(new RegExp(`^Examples?:\n  docktor config ${command}`, "m"));
    }
  });

  test.each([
    ["frob", "unknown command 'frob'; see docktor config --help"],
    ["validat", "unknown command 'validat' (Did you mean validate?)"],
    ["validate --config", "argument missing"],
    ["init docktor.yaml", "too many arguments"],
  ])("%s is bad usage", async (line, text) => {
    const ended = await docktor(["config", ...line.split(" ")]);
    expect(complaint(ended)).toContain(text);
    expect(ended).toMatchObject({ code: 2, stdout: "" });
  });
});
