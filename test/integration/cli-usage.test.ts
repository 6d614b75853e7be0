import { mkdirSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { describe, expect, test } from "vitest";
import manifest from "../../package.json" with { type: "json" };
import { complaint, docktor, temporaryFolder } from "../support/cli.ts";

/** Nothing listens on these. */
const NOWHERE = "nats://127.0.0.1:1";

describe("help", () => {
  test("docktor help COMMAND is COMMAND --help", async () => {
    const asked = await docktor(["help", "status"]);
    expect(asked).toEqual(await docktor(["status", "--help"]));
    expect(asked).toMatchObject({ code: 0, stderr: "" });
  });

  test.each([[[]], [["--help"]], [["help"]]])("docktor %j lists the commands", async (args) => {
    const { code, stdout, stderr } = await docktor(args);
    expect({ code, stderr }).toEqual({ code: 0, stderr: "" });
    for (const command of ["publish", "consume", "status", "dlq", "demo"]) {
      expect(stdout).toMatch(new RegExp(`^  ${command} `, "m"));
    }
  });

  test.each(["publish", "consume", "status", "demo"])("docktor %s --help", async (command) => {
    const { code, stdout } = await docktor([command, "--help"]);
    expect(code).toBe(0);
    expect(stdout).toMatch(new RegExp(`^Examples?:\n  docktor ${command}`, "m"));
    expect(stdout).toContain("(default: info)");
  });

  test.each(["list", "show", "replay"])("docktor dlq %s --help", async (command) => {
    const { code, stdout } = await docktor(["dlq", command, "--help"]);
    expect(code).toBe(0);
    expect(stdout).toMatch(new RegExp(`^Examples?:\n  docktor dlq ${command}`, "m"));
    const asked = await docktor(["dlq", "help", command]);
    expect(asked).toMatchObject({ code: 0, stdout });
  });

  test.each([["dlq"], ["dlq --help"], ["help dlq"]])(
    "docktor %s lists its commands",
    async (line) => {
      const { code, stdout, stderr } = await docktor(line.split(" "));
      expect({ code, stderr }).toEqual({ code: 0, stderr: "" });
      for (const command of ["list", "show", "replay"]) {
        expect(stdout).toMatch(new RegExp(`^  ${command} `, "m"));
      }
    },
  );

  test("docktor --version", async () => {
    expect((await docktor(["--version"])).stdout).toBe(`${manifest.version}\n`);
  });
});

describe("bad usage", () => {
  test.each([
    ["frob", "unknown command 'frob'; see docktor --help"],
    ["publsh", "unknown command 'publsh' (Did you mean publish?); see docktor --help"],
    ["publsh --help", "unknown command 'publsh' (Did you mean publish?); see docktor --help"],
    ["help publsh", "unknown command 'publsh' (Did you mean publish?); see docktor --help"],
    ["publish --frob", "unknown option '--frob'; see docktor publish --help"],
    ["publish --rat 5", "unknown option '--rat' (Did you mean --rate?); see docktor publish"],
    ["consume all", "too many arguments"],
    ["publish --rate", "'--rate <n>' argument missing"],
    ["publish --rate -5", "'-5' is invalid. Use messages per second, above 0 (0 only with"],
    ["publish --rate abc", "'--rate <n>' argument 'abc' is invalid"],
    ["publish --rate NaN", "'--rate <n>' argument 'NaN' is invalid"],
    ["publish --rate 1e3", "'--rate <n>' argument '1e3' is invalid"],
    ["publish --rate Infinity", "'--rate <n>' argument 'Infinity' is invalid"],
    ["publish --rate 0", "--rate 0 would never publish anything: use a rate or --burst-rate above"],
    ["publish --rate 0 --burst-rate 0", "--rate 0 would never publish anything"],
    ["publish --burst-interval 9", "--burst-interval means nothing without --burst-rate"],
    ["publish --burst-duration 9", "--burst-duration means nothing without --burst-rate"],
    ["publish --count 1.5", "'--count <n>' argument '1.5' is invalid"],
    ["publish --count -1", "'--count <n>' argument '-1' is invalid"],
    ["publish --keys 0", "'--keys <n>' argument '0' is invalid. Use a whole number from 1 on;"],
    ["publish --payload-bytes x", "'--payload-bytes <n>' argument 'x' is invalid"],
    ["publish --burst-rate 9 --burst-duration 61", "--burst-duration 61"],
    [
      "publish --burst-rate 9 --burst-duration 0",
      "argument '0' is invalid. Use seconds, 0.001 or more;",
    ],
    ["consume --partitions 0", "'--partitions <n>' argument '0' is invalid"],
    ["consume --partitions 65537", "Use a whole number from 1 to 65536"],
    ["consume --group a.b", 'group "a.b" is not a valid name'],
    ["consume --group a\\ b", 'group "a b" is not a valid name'],
    ["consume --member-id a.b", 'memberId "a.b" is not a valid name'],
    ["consume --stream a.b", 'stream "a.b" is not a valid name'],
    ["consume --subject a..b", 'subject "a..b" is not a valid prefix'],
    ["consume --session-ttl-ms 499", "'--session-ttl-ms <ms>' argument '499' is invalid"],
    ["consume --restart-delay-ms 5000", "restartDelayMs 5000 needs a memberId"],
    ["consume --restart-delay-ms 1.5", "'--restart-delay-ms <ms>' argument '1.5' is invalid"],
    ["consume --concurrency 0", "'--concurrency <n>' argument '0' is invalid"],
    ["consume --log-level loud", "Use trace, debug, info, warn, error, fatal, silent;"],
    ["consume --servers http://127.0.0.1", '"http://127.0.0.1" is not the address'],
    ["consume --servers nats://", '"nats://" is not the address of a NATS server'],
    ["consume --record /dev/null/x", "cannot write the record /dev/null/x: EEXIST: file already"],
    [
      "consume --record /dev",
      "cannot write the record /dev: EISDIR: illegal operation on a directory",
    ],
    ["dlq frob", "unknown command 'frob'; see docktor dlq --help"],
    ["dlq shw 1 --help", "unknown command 'shw' (Did you mean show?); see docktor dlq --help"],
    ["dlq show", "missing required argument 'id'; see docktor dlq show --help"],
    ["dlq show 0", "Use a whole number from 1 on; see docktor dlq show --help"],
    ["dlq replay", "nothing is selected: name either ids, --key or --all; see docktor dlq replay"],
    ["dlq replay --group G", "nothing is selected"],
    ["dlq replay 1 --all", "too much is selected"],
    ["dlq replay --key k --all", "too much is selected"],
    ["dlq replay 1 x", "'x' is invalid for argument 'ids'. Use a whole number from 1 on; see"],
    ["dlq replay 1 --timeout-ms -1", "'--timeout-ms <ms>' argument '-1' is invalid"],
    ["status --group a.b", 'group "a.b" is not a valid name'],
  ])("docktor %s", async (line, text) => {
    const args = line.split(/(?<!\\) /).map((arg) => arg.replace("\\ ", " "));
    const ended = await docktor(args, { env: { NATS_URL: NOWHERE } });
    expect(complaint(ended)).toContain(text);
    expect(ended.stderr.trim().split("\n")).toHaveLength(1);
    expect(ended).toMatchObject({ code: 2, stdout: "" });
  });

  test.each([
    ["publish", { RATE: "-5" }, "'-5' from env 'RATE' is invalid"],
    ["publish", { RATE: "0" }, "(set by RATE)"],
    ["publish", { BURST_RATE: "x" }, "'x' from env 'BURST_RATE' is invalid"],
    ["consume", { RESTART_DELAY_MS: "5000" }, "(set by RESTART_DELAY_MS)"],
    ["consume", { PARTITIONS: "many" }, "'many' from env 'PARTITIONS' is invalid"],
    ["consume", { PROCESS_TIME_MS: "-1" }, "'-1' from env 'PROCESS_TIME_MS' is invalid"],
    ["consume", { SESSION_TTL_MS: "5s" }, "'5s' from env 'SESSION_TTL_MS' is invalid"],
    ["status", { GROUP: "a b" }, 'group "a b" is not a valid name'],
    ["status", { CONSUMER: "a b" }, "(set by CONSUMER)"],
    ["status", { NATS_URL: "http://x" }, "(set by NATS_URL)"],
    ["status", { STREAM_NAME: "a.b" }, "(set by STREAM_NAME)"],
    ["status", { STREAM: "a.b" }, "(set by STREAM)"],
  ])("docktor %s with %j names the variable", async (command, env, text) => {
    const ended = await docktor([command], { env });
    expect(complaint(ended)).toContain(text);
    expect(ended.code).toBe(2);
  });
});

describe("settings", () => {
  test("come from the flag, else the environment, else .env, else the default", async () => {
    const cwd = temporaryFolder();
    const port = async (args: string[], env: Record<string, string>): Promise<string> => {
      const ended = await docktor(["status", ...args], { cwd, env });
      expect(ended.code).toBe(1);
      return /127\.0\.0\.1:(\d+)/.exec(complaint(ended))?.[1] ?? "";
    };
    // Whatever may run on the default port here: only the address counts.
    const unused = { NATS_URL: "" };
    expect(await port(["--servers", "nats://127.0.0.1:3"], unused)).toBe("3");
    writeFileSync(join(cwd, ".env"), "NATS_URL=nats://127.0.0.1:1\n");
    expect(await port([], {})).toBe("1");
    expect(await port([], { NATS_URL: "nats://127.0.0.1:2" })).toBe("2");
    expect(await port(["--servers", "nats://127.0.0.1:3"], { NATS_URL: NOWHERE })).toBe("3");
  });

  test("a flag counts although the variable makes no sense", async () => {
    const ended = await docktor(["publish", "--rate", "5"], {
      env: { NATS_URL: NOWHERE, RATE: "abc" },
    });
    expect(complaint(ended)).toContain("no NATS server answers");
  });

  test("what shapes bursts may wait in the environment for a burst rate", async () => {
    const bursts = { BURST_INTERVAL: "9", BURST_DURATION: "1" };
    const ended = await docktor(["publish"], { env: { NATS_URL: NOWHERE, ...bursts } });
    expect(complaint(ended)).toContain("no NATS server answers");
    const args = ["publish", "--burst-interval", "9", "--burst-duration", "1"];
    const typed = await docktor(args, { env: { NATS_URL: NOWHERE, BURST_RATE: "9" } });
    expect(complaint(typed)).toContain("no NATS server answers");
  });

  test("an .env that cannot be read is bad usage", async () => {
    const cwd = temporaryFolder();
    mkdirSync(join(cwd, ".env"));
    const ended = await docktor(["status"], { cwd });
    expect(complaint(ended)).toContain("cannot read .env");
    expect(ended.code).toBe(2);
  });

  test("a Node that cannot read .env says so, where there is one", async () => {
    const cwd = temporaryFolder();
    const env = { NODE_OPTIONS: "--import=data:text/javascript,delete%20process.loadEnvFile" };
    expect((await docktor(["--version"], { cwd, env })).stderr).toBe("");
    writeFileSync(join(cwd, ".env"), "");
    const { code, stderr } = await docktor(["--version"], { cwd, env });
    expect(stderr).toMatch(/^docktor: \.env is not read: that needs Node 20\.12 or newer.*\n$/);
    expect(code).toBe(0);
  });
});

describe("without a server", () => {
  test.each(["publish", "consume", "status", "dlq list", "dlq show 1", "dlq replay --all"])(
    "docktor %s says what to do",
    async (line) => {
      const ended = await docktor(line.split(" "), { env: { NATS_URL: NOWHERE } });
      expect(complaint(ended)).toMatch(
        /^docktor: no NATS server answers at nats:\/\/127\.0\.0\.1:1 .*--servers or NATS_URL$/,
      );
      expect(ended.stderr.trim().split("\n")).toHaveLength(1);
      expect(ended).toMatchObject({ code: 1, stdout: "" });
    },
  );

  test("never shows a password, but a stack when asked", async () => {
    const env = { NATS_URL: "nats://user:geheim@127.0.0.1:1", LOG_LEVEL: "debug" };
    const { stderr, stdout } = await docktor(["consume"], { env });
    expect(stderr).toContain("    at ");
    expect(stderr + stdout).not.toContain("geheim");
    const wrong = await docktor(["consume"], {
      env: { NATS_URL: "http://user:geheim@x", LOG_LEVEL: "trace" },
    });
    expect(wrong.stderr + wrong.stdout).not.toContain("geheim");
  });

  test("docktor demo without a nats-server says how to get one", async () => {
    const ended = await docktor(["demo"], { env: { NATS_SERVER: "/nowhere/nats-server" } });
    expect(complaint(ended)).toContain("NATS_SERVER is /nowhere/nats-server");
    expect(ended).toMatchObject({ code: 2, stdout: "" });
  });
});
