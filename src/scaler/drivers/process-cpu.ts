/** How much processor time processes have used: from /proc on Linux, from ps elsewhere. */
import { execFile } from "node:child_process";
import { readdir, readFile } from "node:fs/promises";
import { promisify } from "node:util";
import type { CpuReading } from "./cpu-meter.ts";

/** The unit of /proc: Linux shows a hundredth of a second to programs on every platform that Node runs on. */
const TICK_MS = 10;

/**
 * What each process has used so far, all its threads together; undefined for one that is gone. On Linux with those it
 * has started, so that `npm run` or a shell script around the program makes no difference.
 */
export async function readCpu(
  pids: readonly number[],
): Promise<ReadonlyMap<number, CpuReading | undefined>> {
  if (pids.length === 0) return new Map();
  if (process.platform !== "linux") return await readByPs(pids);
  const readings = pids.map(async (pid): Promise<[number, CpuReading | undefined]> => {
    try {
      const ticks = await ticksOfTree(pid);
      return [pid, { usedMs: ticks * TICK_MS, atMs: performance.now() }];
    } catch {
      return [pid, undefined];
    }
  });
  return new Map(await Promise.all(readings));
}

async function ticksOfTree(pid: number): Promise<number> {
  const own = ticksOf(await readFile(`/proc/${pid}/stat`, "utf8"));
  const children = (await childrenOf(pid)).map((child) => ticksOfTree(child).catch(() => 0));
  return (await Promise.all(children)).reduce((sum, ticks) => sum + ticks, own);
}

/** The processes that this one, by any of its threads, has started. */
async function childrenOf(pid: number): Promise<number[]> {
  const threads = await readdir(`/proc/${pid}/task`);
  const lists = threads.map((thread) =>
    // Not every kernel is built to tell, and a thread may end meanwhile.
    readFile(`/proc/${pid}/task/${thread}/children`, "utf8").catch(() => ""),
  );
  return (await Promise.all(lists)).flatMap((list) => list.split(" ").filter(Boolean).map(Number));
}

/**
 * The ticks in a line of `/proc/<pid>/stat`: those of the process in user and in system mode, and those of its children
 * that it has waited for.
 */
export function ticksOf(stat: string): number {
  // The name, in parentheses, may have blanks and parentheses of its own.
  const fields = stat.slice(stat.lastIndexOf(")") + 2).split(" ");
  return fields.slice(11, 15).reduce((sum, field) => sum + Number(field), 0);
}

async function readByPs(
  pids: readonly number[],
): Promise<ReadonlyMap<number, CpuReading | undefined>> {
  const args = ["-o", "pid=,time=", "-p", pids.join(",")];
  // It exits with 1 when one of them is gone, but has told of the others.
  const { stdout } = await promisify(execFile)("ps", args).catch((error: { stdout?: string }) => ({
    stdout: error.stdout ?? "",
  }));
  const atMs = performance.now();
  return new Map(
    stdout
      .split("\n")
      .map((line) => /^\s*(\d+)\s+(\S+)/.exec(line))
      .flatMap((found) => {
        const usedMs = found?.[2] === undefined ? undefined : msOf(found[2]);
        return usedMs === undefined ? [] : [[Number(found?.[1]), { usedMs, atMs }] as const];
      }),
  );
}

/** The milliseconds in what ps calls time: `[[days-]hours:]minutes:seconds`, on macOS with hundredths. */
export function msOf(time: string): number | undefined {
  const found = /^(?:(?:(\d+)-)?(\d+):)?(\d+):(\d+(?:\.\d+)?)$/.exec(time);
  if (found === null) return undefined;
  const [days, hours, minutes, seconds] = found.slice(1).map((part) => Number(part ?? 0));
  if (days === undefined || hours === undefined) return undefined;
  if (minutes === undefined || seconds === undefined) return undefined;
  return Math.round((((days * 24 + hours) * 60 + minutes) * 60 + seconds) * 1_000);
}
