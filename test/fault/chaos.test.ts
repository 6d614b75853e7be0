/**
 * Schedules of faults on groups of processes, each judged by all promises at once: a few that run each
 * time, and with CHAOS=all every one that has ever failed. `make chaos` runs others.
 */
import { execFileSync } from "node:child_process";
import { fileURLToPath } from "node:url";
import { beforeAll, expect, test } from "vitest";
import { servers } from "../support/servers.ts";
import { carryOut } from "./chaos/driver.ts";
import { judge } from "./chaos/judge.ts";
import { plan, type PlanOptions } from "./chaos/plan.ts";
import { story } from "./chaos/story.ts";

const ROOT = fileURLToPath(new URL("../..", import.meta.url));
const PROGRAM = `${ROOT}.cache/chaos/test/fault/chaos/member.js`;

type Run = PlanOptions & { readonly on: "oldest" | "newest" };

const CHOSEN: readonly Run[] = [
  // Has failed: a claim waited for an answer that was lost with the connection.
  { on: "oldest", servers: 1, seed: 8, durationMs: 10_000 },
  // A node is killed, and leaders step down.
  { on: "newest", servers: 3, seed: 166, durationMs: 10_000 },
];

/** What has failed, each for a reason that was mended. */
const FAILED: readonly Run[] = [
  // A member whose first session was lost on its way into the group gave up.
  { on: "oldest", servers: 3, seed: 2, durationMs: 20_000 },
  // The client slept for 30 s after it had looked for a durable in vain; leaving waited for each durable
  // that the cluster could not make; rosters overwrote each other, as several writers won.
  { on: "oldest", servers: 3, seed: 3, durationMs: 20_000 },
  { on: "oldest", servers: 3, seed: 7, durationMs: 20_000 },
  { on: "oldest", servers: 3, seed: 9, durationMs: 20_000 },
  { on: "oldest", servers: 3, seed: 12, durationMs: 20_000 },
  // The judge was wrong: a message handled three times, a newcomer's wait, a call caught by SIGSTOP.
  { on: "newest", servers: 1, seed: 36, durationMs: 10_000 },
  { on: "newest", servers: 1, seed: 45, durationMs: 10_000 },
  { on: "newest", servers: 1, seed: 51, durationMs: 10_000 },
  // A handler that failed under key concurrency made a graceful hand-over repeat what was handled beyond it.
  { on: "newest", servers: 1, seed: 4009, durationMs: 30_000 },
  // The driver was wrong: it ended the run before anyone could know of the last crash.
  { on: "oldest", servers: 1, seed: 3008, durationMs: 30_000 },
  { on: "newest", servers: 1, seed: 4001, durationMs: 30_000 },
  { on: "oldest", servers: 3, seed: 9305, durationMs: 30_000 },
  // A member that was told to leave on its way into the group left its session to the TTL.
  { on: "newest", servers: 1, seed: 4008, durationMs: 30_000 },
  // Acks that were lost with the leader of a durable filled it up, and its partition stood still.
  { on: "oldest", servers: 3, seed: 6106, durationMs: 30_000 },
  // A stream's new leader had not caught up, and was taken for one that was set back.
  { on: "oldest", servers: 3, seed: 6109, durationMs: 30_000 },
  // A durable came into being after it was given up and removed.
  { on: "oldest", servers: 1, seed: 7124, durationMs: 30_000 },
  { on: "oldest", servers: 3, seed: 6209, durationMs: 30_000 },
  // The driver was wrong: a restarted node dropped writes that it was to keep, or did not know of a stream yet.
  { on: "oldest", servers: 3, seed: 14005, durationMs: 30_000 },
  { on: "oldest", servers: 3, seed: 14011, durationMs: 30_000 },
  // A commit that was under way when its member left told CLOSED as an error.
  { on: "oldest", servers: 1, seed: 42034, durationMs: 30_000 },
  // The driver was wrong: it made a stream anew that the server had not put away yet.
  { on: "newest", servers: 1, seed: 41015, durationMs: 30_000 },
  // Partitions stood still, as they could behind the long rests of a member that hands others over.
  { on: "oldest", servers: 3, seed: 64009, durationMs: 30_000 },
  { on: "newest", servers: 1, seed: 61009, durationMs: 30_000 },
  // A server died while it greeted a member, which waited for the rest for 20 s.
  { on: "oldest", servers: 1, seed: 82007, durationMs: 30_000 },
  // A connection attempt that was given up left its socket open, so that the process did not end.
  { on: "newest", servers: 1, seed: 91022, durationMs: 30_000 },
  // The driver was wrong: it told a member to leave a second time, when its process was about to end.
  { on: "oldest", servers: 3, seed: 94004, durationMs: 30_000 },
  // The member's program was wrong: told to leave between two attempts to connect, it went on.
  { on: "oldest", servers: 1, seed: 92057, durationMs: 30_000 },
  // The judge was wrong: it did not know the error for a connection that breaks.
  { on: "oldest", servers: 1, seed: 3002, durationMs: 30_000 },
  { on: "oldest", servers: 1, seed: 3009, durationMs: 30_000 },
  { on: "oldest", servers: 1, seed: 3030, durationMs: 30_000 },
];

beforeAll(() => {
  execFileSync(`${ROOT}node_modules/.bin/tsc`, ["-p", "tsconfig.chaos.json"], { cwd: ROOT });
});

async function findings({ on, ...options }: Run): Promise<string[]> {
  // Where the newest cannot be had, the oldest does as well.
  const server = on === "newest" ? servers.at(-1) : servers[0];
  const binary = server?.binary ?? "";
  const evidence = await carryOut(plan(options), { program: PROGRAM, binary });
  return judge(evidence).map((finding) => story(evidence, finding));
}

const title = "chaos with seed $seed, $servers servers of the $on version: every promise is kept";

test.concurrent.each(CHOSEN)(
  title,
  async (run) => expect(await findings(run)).toEqual([]),
  120_000,
);

if (process.env["CHAOS"] === "all") {
  test.each(FAILED)(title, async (run) => expect(await findings(run)).toEqual([]), 200_000);
}
