/** The process driver's pure parts: processor time, last words, pauses. */
import { describe, expect, test } from "vitest";
import { CpuMeter } from "../../src/scaler/drivers/cpu-meter.ts";
import { endedWith, lastWords } from "../../src/scaler/drivers/last-words.ts";
import { msOf, ticksOf } from "../../src/scaler/drivers/process-cpu.ts";
import { nextPause } from "../../src/scaler/drivers/restart-pause.ts";

describe("processor time", () => {
  test.each(["node", "a (b) c", "tmux: server)"])("is read past the name %j", (name) => {
    // As proc(5) has it: utime 250, stime 50, cutime 7, cstime 3.
    const stat = `4711 (${name}) S 1 4711 4711 0 -1 4194560 900 12 0 0 250 50 7 3 20 0 11 0 99 1`;
    expect(ticksOf(stat)).toBe(310);
  });

  test.each([
    ["00:00:00", 0],
    ["01:02:03", 3_723_000],
    ["2-00:00:01", 172_801_000],
    ["0:01.25", 1_250],
    ["75:00.00", 4_500_000],
    ["-", undefined],
  ])("is understood as ps writes it: %s", (time, ms) => {
    expect(msOf(time)).toBe(ms);
  });

  test("is a share of one core between two looks", () => {
    const meter = new CpuMeter();
    const look = (id: string, usedMs: number, atMs: number): number | undefined =>
      meter.look(new Map([[id, { usedMs, atMs }]])).get(id);
    expect(look("a", 500, 1_000)).toBeUndefined();
    expect(look("a", 600, 2_000)).toBe(10);
    expect(look("a", 3_600, 3_500)).toBe(200);
    expect(look("a", 10, 4_000)).toBeUndefined();
    expect(look("a", 10, 4_000)).toBeUndefined();
    expect(look("b", 20, 5_000)).toBeUndefined();
    // Left out once, it was forgotten.
    expect(look("a", 20, 5_000)).toBeUndefined();
  });

  test("goes on from the last reading when one failed", () => {
    const meter = new CpuMeter();
    meter.look(new Map([["a", { usedMs: 0, atMs: 0 }]]));
    expect(meter.look(new Map([["a", undefined]])).get("a")).toBeUndefined();
    expect(meter.look(new Map([["a", { usedMs: 500, atMs: 1_000 }]])).get("a")).toBe(50);
  });
});

describe("the last words", () => {
  test.each([
    ["one\ntwo\n", "two"],
    ["\u001b[31mred\u001b[0m\r\n\r\n", "red"],
    ["", undefined],
    ["\n---\n}\n", undefined],
    [
      "app.js:1\nthrow new Error('no stream')\n^\n\nError: no stream\n    at app.js:1:7 {\n  code: 1\n}\n\nNode.js v20.0.0\n",
      "Error: no stream",
    ],
    ["  only this", "only this"],
  ])("of %j are %j", (log, words) => {
    expect(lastWords(log)).toBe(words);
  });

  test("are cut where they go on and on", () => {
    expect(lastWords("x".repeat(5_000))).toHaveLength(300);
  });

  test("are told with how it ended", () => {
    expect(endedWith({ exitCode: 3 }, "no stream")).toBe("exit code 3: no stream");
    expect(endedWith({ killedBy: "SIGKILL" }, undefined)).toBe(
      "killed by SIGKILL, and it said nothing",
    );
  });
});

test("the pause before the next start doubles up to a minute, and is short again after a good life", () => {
  const pauses: number[] = [];
  let pause: number | undefined;
  for (let i = 0; i < 8; i++) {
    pause = nextPause(pause, 100);
    pauses.push(pause);
  }
  expect(pauses).toEqual([1, 2, 4, 8, 16, 32, 60, 60].map((seconds) => seconds * 1_000));
  expect(nextPause(60_000, 59_999)).toBe(60_000);
  expect(nextPause(60_000, 60_000)).toBe(1_000);
});
