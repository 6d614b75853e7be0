import { describe, expect, test } from "vitest";
import { tableOf } from "../../src/cli/demo/table.ts";
import { Screen } from "../../src/cli/screen.ts";
import { passed, verdictLines } from "../../src/cli/demo/verdict.ts";
import { isShared, movedPartitions } from "../../src/cli/demo/watch.ts";
import {
  count,
  duration,
  json,
  oneLine,
  plural,
  ranges,
  rate,
  table,
} from "../../src/cli/format.ts";
import { formatLogLine } from "../../src/cli/log.ts";
import { statusLines } from "../../src/cli/status.ts";
import type { GroupStatus } from "../../src/partition/group-status.ts";

describe("figures", () => {
  test.each([
    [[], "-"],
    [[3], "3"],
    [[0, 1, 2, 3], "0-3"],
    [[0, 1, 2, 12], "0-2,12"],
    [[7, 5, 4, 0], "0,4-5,7"],
    [[1, 1, 2], "1-2"],
  ])("partitions %j are %s", (numbers, text) => {
    expect(ranges(numbers)).toBe(text);
  });

  test.each([
    ["as it is", 8, "as it is"],
    ["too long", 7, "too lo…"],
    ["naïve 東京 ❌", 10, "naïve 東京 ❌"],
    ["two\r\n\tlines", 20, "two lines"],
    ["\u001b[2Jgone\u202e\0", 20, " [2Jgone "],
  ])("%j in %i characters is %j", (text, most, shown) => {
    expect(oneLine(text, most)).toBe(shown);
  });

  test.each([
    [0, "0 ms"],
    [999, "999 ms"],
    [1_000, "1.0 s"],
    [59_949, "59.9 s"],
    [59_950, "1m 00s"],
    [125_000, "2m 05s"],
    [3_599_600, "1h 00m"],
    [3_720_000, "1h 02m"],
    [270_000_000, "3d 03h"],
  ])("%i ms are %s", (ms, text) => {
    expect(duration(ms)).toBe(text);
  });

  test.each([
    [0, "0/s"],
    [0.25, "0.3/s"],
    [9.94, "9.9/s"],
    [9.96, "10/s"],
    [12_345.6, "12,346/s"],
  ])("%d a second is %s", (perSecond, text) => {
    expect(rate(perSecond)).toBe(text);
  });

  test("for programs, figures have at most three decimals", () => {
    const figures = { sum: 0.1 + 0.2, ms: 4.123456789, tiny: 1e-9, whole: 9_007_199_254_740_991 };
    expect(json({ figures, list: [2.5, "0.30000000000000004", null, true] })).toBe(
      '{"figures":{"sum":0.3,"ms":4.123,"tiny":0,"whole":9007199254740991},"list":[2.5,"0.30000000000000004",null,true]}',
    );
  });

  test("counts", () => {
    expect(count(1_234_567)).toBe("1,234,567");
    expect(plural(1, "message")).toBe("1 message");
    expect(plural(0, "message")).toBe("0 messages");
  });
});

test("a table's columns are as wide as their widest cells, figures on the right", () => {
  const rows = [
    ["a", "1", "x"],
    ["long", "1,000", ""],
  ];
  expect(table(["ID", "LAG", "NOTE"], rows, [1])).toEqual([
    "ID      LAG  NOTE",
    "a         1  x",
    "long  1,000",
  ]);
});

test.each([
  [{ level: 30, msg: "joined" }, /^\d\d:\d\d:\d\d joined$/],
  [{ level: 40, msg: "slow" }, /^\d\d:\d\d:\d\d warn: slow$/],
  [{ level: 50, msg: "broken", code: "TIMEOUT" }, /^\d\d:\d\d:\d\d error: broken$/],
])("a log line for people: %j", (fields, text) => {
  expect(formatLogLine(JSON.stringify({ time: 1_700_000_000_000, ...fields }))).toMatch(text);
});

const startedAt = "2026-01-01T00:00:00.000Z";
const group: GroupStatus = {
  stream: "EVENTS",
  group: "WORKERS",
  members: [
    { id: "a", state: "active", partitions: [0, 1], startedAt },
    { id: "b", state: "draining", partitions: [2], startedAt },
  ],
  partitions: [
    { partition: 0, owner: "a", epoch: 1, checkpoint: 10, lag: 1_000 },
    { partition: 1, owner: "a", epoch: 3, checkpoint: 0, lag: 5 },
    { partition: 2, owner: "b", epoch: 2, checkpoint: 7, lag: 0 },
    { partition: 3, owner: null, epoch: 0, checkpoint: 0, lag: 0 },
  ],
  totals: { lag: 1_005, rateIn: 2.5, rateOut: 1_000 },
};

describe("a group", () => {
  test("as status shows it", () => {
    expect(statusLines(group, Date.parse(startedAt) + 125_000, 500)).toEqual([
      "group WORKERS on stream EVENTS",
      "",
      "MEMBER  STATE     OWNS  PARTITIONS  UPTIME",
      "a       active       2  0-1         2m 05s",
      "b       draining     1  2           2m 05s",
      "",
      "PARTITION  OWNER  EPOCH  CHECKPOINT    LAG",
      "        0  a          1          10  1,000",
      "        1  a          3           0      5",
      "        2  b          2           7      0",
      "        3  -          0           0      0",
      "",
      "lag 1,005, in 2.5/s, out 1,000/s (rates from a sample of 500 ms)",
    ]);
  });

  test("without members, as status shows it", () => {
    expect(statusLines({ ...group, members: [] }, 0, 500).slice(0, 4)).toEqual([
      "group WORKERS on stream EVENTS",
      "",
      "no live members: start your service; docktor consume would handle its messages by doing nothing",
      "",
    ]);
  });

  test("whose members are all gone, as status shows it", () => {
    const states = ["dead", "restarting"] as const;
    const gone = group.members.map((member, i) => ({ ...member, state: states[i] ?? "dead" }));
    expect(statusLines({ ...group, members: gone }, Date.now(), 500).slice(2, 8)).toEqual([
      "MEMBER  STATE       OWNS  PARTITIONS  UPTIME",
      "a       dead           2  0-1         -",
      "b       restarting     1  2           -",
      "",
      "no live members: start your service; docktor consume would handle its messages by doing nothing",
      "",
    ]);
  });

  test("as the demo shows it", () => {
    expect(tableOf(group)).toEqual([
      "",
      "MEMBER  STATE     OWNS  PARTITIONS    LAG  UPTIME",
      expect.stringMatching(/^a {7}active {7}2 {2}0-1 {9}1,005 {2}\d/),
      expect.stringMatching(/^b {7}draining {5}1 {2}2 {15}0 {2}\d/),
      "",
      "lag 1,005, in 2.5/s, out 1,000/s",
    ]);
  });

  test("is shared when exactly these members own everything fairly", () => {
    const partitions = group.partitions.slice(0, 3);
    expect(isShared({ ...group, partitions }, ["a", "b"])).toBe(true);
    expect(isShared({ ...group, partitions }, ["a"])).toBe(false);
    expect(isShared(group, ["a", "b"])).toBe(false);
    const [a, b] = group.members;
    const greedy = [
      { ...a, partitions: [0, 1, 2] },
      { ...b, partitions: [3] },
    ] as GroupStatus["members"];
    expect(isShared({ ...group, members: greedy }, ["a", "b"])).toBe(false);
  });

  test("has as many moves as owners have changed", () => {
    expect(movedPartitions(undefined, group)).toBe(3);
    expect(movedPartitions(group, group)).toBe(0);
    const now = group.partitions.map((partition) => ({ ...partition, owner: "b" }));
    expect(movedPartitions(group, { ...group, partitions: now })).toBe(3);
  });
});

describe("the demo's screen", () => {
  function screen(isTTY: boolean): { screen: Screen; written: () => string } {
    let text = "";
    const write = (chunk: string): boolean => {
      text += chunk;
      return true;
    };
    const out = { isTTY, columns: 20, write } as unknown as NodeJS.WriteStream;
    const written = (): string => {
      const before = text;
      text = "";
      return before;
    };
    return { screen: new Screen(out), written };
  }

  test("keeps a table below its lines on a terminal, no line wider than it", () => {
    const { screen: shown, written } = screen(true);
    shown.show(tableOf(group));
    const first = written();
    expect(first.split("\n")).toHaveLength(7);
    expect(Math.max(...first.split("\n").map((line) => line.length))).toBe(19);
    shown.line("something happened");
    expect(written()).toBe(`\x1b[6A\x1b[Jsomething happened\n${first}`);
    shown.hide();
    expect(written()).toBe("\x1b[6A\x1b[J");
    shown.hide();
    expect(written()).toBe("");
  });

  test("prints plain lines elsewhere", () => {
    const { screen: shown, written } = screen(false);
    shown.show(tableOf(group));
    shown.line("something happened");
    shown.say("something else");
    expect([shown.isLive, written()]).toEqual([
      false,
      expect.stringMatching(/^something happened\n +\d+\.\d s {2}something else\n$/),
    ]);
  });
});

describe("the demo's verdict", () => {
  const scaled = { ups: 3, downs: 3 };
  const good = {
    published: 10,
    processed: 10,
    lost: 0,
    duplicated: 2,
    outOfOrder: 0,
    sharedEpochs: 0,
    staleEpochs: 0,
    findings: ["duplicated: partition 1"],
  };
  const result = {
    published: 10,
    processed: 10,
    lost: 0,
    duplicated: 2,
    outOfOrder: 0,
    rebalances: 8,
    scaleUps: 4,
    scaleDowns: 4,
    maxReplicas: 5,
    durationMs: 30_000,
  };

  test("passes with duplicates, and says whose", () => {
    expect(passed(good)).toBe(true);
    const text = verdictLines(good, result, { killed: "member-4", scaled }).join("\n");
    expect(text).toContain(
      "PASSED: 8 changes of the roster, up to 5 members; the scaler added 3 for the burst and took 3 away; 30.0 s",
    );
    expect(text).toContain("member-4 was killed before it could commit them");
    expect(text).not.toContain("partition 1");
  });

  test.each([{ lost: 1 }, { outOfOrder: 1 }, { sharedEpochs: 1 }])("fails with %j", (flaw) => {
    const bad = { ...good, ...flaw, findings: ["the finding"] };
    expect(passed(bad)).toBe(false);
    expect(verdictLines(bad, result, { killed: "member-4", scaled })).toContain("the finding");
    expect(verdictLines(bad, result, { killed: "member-4", scaled }).at(-1)).toMatch(/^FAILED/);
  });
});
