/** The log of decisions: what is in it, how it is kept small, and how it is read. */
import {
  appendFileSync,
  existsSync,
  mkdirSync,
  readdirSync,
  readFileSync,
  rmSync,
  statSync,
  utimesSync,
  writeFileSync,
} from "node:fs";
import { homedir } from "node:os";
import { dirname, join } from "node:path";
import { describe, expect, test, vi } from "vitest";
import { decisionTable } from "../../src/cli/explain.ts";
import type { DocktorError } from "../../src/errors.ts";
import type { Decision } from "../../src/scaler/policy/decision.ts";
import {
  type DecisionEntry,
  decisionEntry,
  DecisionLog,
  decisionLogPath,
} from "../../src/scaler/decision-log.ts";
import { readDecisions } from "../../src/scaler/decision-log-reader.ts";
import { temporaryFolder } from "../support/cli.ts";

/** The number `n` of a service's decisions. */
function entry(n: number, service = "web", reason = `reason ${n}`): DecisionEntry {
  return {
    ts: new Date(Date.UTC(2025, 0, 29, 14, 30, n)).toISOString(),
    service,
    current_replicas: n,
    decision: "scale_up",
    target_replicas: n + 1,
    reason,
    observations: {},
    metadata: {},
    policy: "rate",
    rails: [],
    demand: null,
    replicas: { ready: n, starting: 0, failing: 0, draining: 0 },
    dry_run: false,
  };
}

function logFile(): string {
  return join(temporaryFolder(), "state", "decisions.jsonl");
}

/** Of the newest entries, their numbers. */
async function numbersOf(path: string, newest = 1_000, service?: string): Promise<number[]> {
  const read = await readDecisions(path, { newest, service });
  return (read?.entries ?? []).map(({ current_replicas: n }) => n);
}

describe("an entry", () => {
  const decision: Decision = {
    action: "up",
    current: 1,
    target: 3,
    reason: "queue.backlog > 500",
    rails: ["max"],
    demand: {
      rateIn: 100.123456,
      perReplica: 20,
      steady: 6.25,
      catchUp: 0,
      need: 6.25,
      replicas: 7,
      enough: 7,
      plenty: 7,
      hotPartition: undefined,
      slowest: undefined,
    },
  };
  const logged = {
    at: new Date("2025-01-29T14:30:00Z"),
    service: "consumer",
    policy: "rate",
    dryRun: true,
    decision,
    replicas: { ready: 1, starting: 0, failing: 1, draining: 0 },
    readings: { unread: "why" },
  } as const;

  test("begins with the keys of docktor's first logs, and tells what it was made from", () => {
    const observations = { "queue.backlog": 1_500, "queue.rate_in": 300.5 };
    const readings = {
      backlog: 1_500,
      rateIn: { short: 300, long: 300 },
      rateOut: 95,
      perReplica: 20,
      partitions: undefined,
      metrics: observations,
    };
    const made = decisionEntry({
      ...logged,
      readings,
      failing: [{ name: "consumer-2", why: "exit code 1" }],
    });
    expect(Object.keys(made).slice(0, 8)).toEqual([
      "ts",
      "service",
      "current_replicas",
      "decision",
      "target_replicas",
      "reason",
      "observations",
      "metadata",
    ]);
    expect(made).toMatchObject({
      ts: "2025-01-29T14:30:00.000Z",
      service: "consumer",
      current_replicas: 1,
      decision: "scale_up",
      target_replicas: 3,
      reason: "queue.backlog > 500",
      observations,
      metadata: { failing: "consumer-2: exit code 1" },
      policy: "rate",
      rails: ["max"],
      demand: { rate_in: 100.123456, per_replica: 20, catch_up: 0 },
      replicas: { ready: 1, starting: 0, failing: 1, draining: 0 },
      dry_run: true,
    });
    expect(made.demand).not.toHaveProperty("hot_partition");
  });

  test("observes nothing where nothing could be read", () => {
    expect(decisionEntry(logged)).toMatchObject({ observations: {}, metadata: {} });
  });

  test("is a line, its figures with at most three decimals", () => {
    const path = logFile();
    new DecisionLog(path).append(decisionEntry(logged));
    const text = readFileSync(path, "utf8");
    expect(text.split("\n")).toHaveLength(2);
    expect(JSON.parse(text)).toMatchObject({ demand: { rate_in: 100.123 } });
  });
});

describe("the path", () => {
  test.each([
    [{ XDG_STATE_HOME: "/var/state" }, "/var/state/docktor/decisions.jsonl"],
    [{ XDG_STATE_HOME: "state" }, join(homedir(), ".local/state/docktor/decisions.jsonl")],
    [{ XDG_STATE_HOME: undefined }, join(homedir(), ".local/state/docktor/decisions.jsonl")],
  ])("with %j is %s", (environment, path) => {
    vi.stubEnv("XDG_STATE_HOME", environment.XDG_STATE_HOME);
    expect(decisionLogPath()).toBe(path);
    vi.unstubAllEnvs();
  });
});

describe("a log", () => {
  test("keeps so many files, each about so long, and the newest decisions", async () => {
    const path = logFile();
    const lineBytes = JSON.stringify(entry(10)).length + 1;
    const log = new DecisionLog(path, { fileBytes: 10 * lineBytes, files: 3 });
    for (let n = 10; n < 75; n++) log.append(entry(n));
    expect(readdirSync(dirname(path)).toSorted()).toEqual([
      "decisions.jsonl",
      "decisions.jsonl.1",
      "decisions.jsonl.2",
    ]);
    expect(statSync(`${path}.1`).size).toBe(10 * lineBytes);
    expect(await numbersOf(path)).toEqual(Array.from({ length: 25 }, (_, i) => 50 + i));
  });

  test("is read all the same while its newest file is not there yet", async () => {
    const path = logFile();
    const log = new DecisionLog(path, { fileBytes: 1 });
    log.append(entry(1));
    expect(existsSync(path)).toBe(false);
    expect(await numbersOf(path)).toEqual([1]);
  });

  test("goes on where a rotation was broken off", async () => {
    const path = logFile();
    const log = new DecisionLog(path, { fileBytes: 1 });
    mkdirSync(dirname(path));
    writeFileSync(`${path}.rotating`, "");
    log.append(entry(1));
    expect(existsSync(`${path}.1`)).toBe(false);
    const before = (Date.now() - 60_000) / 1_000;
    utimesSync(`${path}.rotating`, before, before);
    log.append(entry(2));
    log.append(entry(3));
    expect(existsSync(`${path}.1`)).toBe(true);
    expect(await numbersOf(path)).toEqual([1, 2, 3]);
  });

  test("keeps a line that was cut short apart from the next one", async () => {
    const path = logFile();
    const log = new DecisionLog(path);
    log.append(entry(1));
    appendFileSync(path, JSON.stringify(entry(2)).slice(0, 50));
    expect(await numbersOf(path)).toEqual([1]);
    log.append(entry(3));
    expect(await numbersOf(path)).toEqual([1, 3]);
  });

  test("that cannot be written is told once, and again only after it could be", async () => {
    const path = logFile();
    const errors: DocktorError[] = [];
    const log = new DecisionLog(path, { onError: (error) => errors.push(error) });
    // Where the folder should be, there is a file.
    writeFileSync(dirname(path), "");
    log.append(entry(1));
    log.append(entry(2));
    expect(errors).toMatchObject([
      {
        code: "UNEXPECTED",
        message: expect.stringMatching(/^decisions are not logged/),
      },
    ]);
    rmSync(dirname(path));
    log.append(entry(3));
    expect(await numbersOf(path)).toEqual([3]);
    rmSync(dirname(path), { recursive: true });
    writeFileSync(dirname(path), "");
    log.append(entry(4));
    expect(errors).toHaveLength(2);
  });
});

describe("what is read", () => {
  test("is nothing where there is no log", async () => {
    expect(await readDecisions(logFile(), { newest: 1 })).toBeUndefined();
  });

  test("are the newest ones in order, of one service if it is named, and how many there are", async () => {
    const path = logFile();
    const log = new DecisionLog(path, { fileBytes: 2_000 });
    for (let n = 0; n < 30; n++) log.append(entry(n, n % 3 === 0 ? "web" : "api"));
    expect(await numbersOf(path, 4)).toEqual([26, 27, 28, 29]);
    expect(await numbersOf(path, 2, "web")).toEqual([24, 27]);
    const read = await readDecisions(path, { newest: 1, service: "web" });
    const { total } = (await readDecisions(path, { newest: 1_000, service: "web" })) ?? {};
    expect(read).toMatchObject({ entries: [{ current_replicas: 27 }], total });
    expect(await readDecisions(path, { newest: 1, service: "none" })).toEqual({
      entries: [],
      total: 0,
    });
  });

  test("is whole however long lines are, and whatever is between them", async () => {
    const path = logFile();
    const log = new DecisionLog(path);
    // Around the pieces in which it is read, with characters of several bytes.
    const lengths = [1, 65_000, 65_536, 3, 200_000, 30_000];
    for (const [n, length] of lengths.entries()) log.append(entry(n, "web", "→é".repeat(length)));
    appendFileSync(path, '\n\nnull\n{"service":1}\nno json\n');
    log.append(entry(9));
    const read = await readDecisions(path, { newest: 100 });
    expect(read?.total).toBe(7);
    expect(read?.entries.map(({ reason }) => reason.length)).toEqual([
      ...lengths.map((length) => 2 * length),
      "reason 9".length,
    ]);
  });

  test("is an error that says what to do where it cannot be", async () => {
    await expect(readDecisions(temporaryFolder(), { newest: 1 })).rejects.toMatchObject({
      code: "INVALID_OPTION",
      message: expect.stringMatching(/^cannot read the log of decisions /),
    });
  });
});

describe("the table", () => {
  /** At a local time of day. */
  const at = (day: number, hour: number): string =>
    new Date(2025, 0, day, hour, 5, 9).toISOString();
  const now = new Date(2025, 0, 29, 23);
  const entries = [
    { ...entry(3), ts: at(28, 7), reason: "two\nlines" },
    { ...entry(3, "worker", "backlog 2400 > 1000, and much more to say of it"), ts: at(29, 14) },
    { ...entry(5), ts: at(29, 15), dry_run: true },
  ];

  test("has the local time, and the date of other days", () => {
    expect(decisionTable(entries, now)).toEqual([
      "SERVICE  TIME                 ACTION    FROM→TO  REASON",
      "web      2025-01-28 07:05:09  scale_up  3→4      two lines",
      "worker   14:05:09             scale_up  3→4      backlog 2400 > 1000, and much more to say of it",
      "web      15:05:09             scale_up  5→6      reason 5 (dry run)",
    ]);
  });

  test("is cut to a narrow terminal, and not to a wide one", () => {
    expect(decisionTable(entries, now, 200)).toEqual(decisionTable(entries, now));
    const narrow = decisionTable(entries, now, 75);
    expect(narrow.every((line) => line.length <= 75)).toBe(true);
    expect(narrow[2]).toMatch(/backlog 2400 > 1000, and …$/);
    expect(decisionTable(entries, now, 10)).toEqual(decisionTable(entries, now, 69));
  });
});
