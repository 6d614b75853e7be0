/** The demo's last act: the scaler drives members from one up through a burst, and back to one. */
import { writeFileSync } from "node:fs";
import { join } from "node:path";
import { setTimeout as sleep } from "node:timers/promises";
import { fileURLToPath } from "node:url";
import { DecisionLog, type GroupStatus, loadConfig, Scaler } from "../../index.ts";
import { plural } from "../format.ts";
import type { Cast } from "./script.ts";
import type { Scene } from "./scene.ts";

const MAIN = fileURLToPath(new URL("../main.js", import.meta.url));

/** A member handles four messages at a time, 8 ms each: some 480 a second. */
const PROCESS_TIME_MS = 8;
const MEMBER_CONCURRENCY = 4;
const MOST_MEMBERS = 5;

/** What the act publishes, in messages a second: a burst after a while of calm. */
const CALM_RATE = 300;
const CALM_MS = 5_000;
const BURST_RATE = 1_500;
const BURST_MS = 10_000;

/** What the scaler did. */
export interface Scaled {
  /** Members that it has started after the first, and that it has let go. */
  readonly ups: number;
  readonly downs: number;
}

/** Plays the act, which ends with one member, nothing published any more, and nothing waiting. */
export async function playScaling(cast: Cast): Promise<Scaled> {
  const { scene, screen, watch, signal } = cast;
  const tally = { ups: 0, downs: 0 };
  const stop = new AbortController();
  const scaler = new Scaler({
    config: loadConfig(configure(scene)),
    decisionLog: new DecisionLog(join(scene.folder, "decisions.jsonl")),
  });
  scaler.on("decision", ({ entry }) => {
    const { decision, current_replicas: current, target_replicas: target, reason } = entry;
    if (decision === "hold") return;
    // The first one is there from the start.
    if (decision === "scale_up") tally.ups += target - Math.max(1, current);
    else tally.downs += current - target;
    screen.say(`the scaler: ${current} → ${target}, as ${reason}`);
  });
  scaler.on("error", ({ error }) => screen.say(`the scaler: ${error.message}`));
  screen.say(
    `now the scaler decides: from 1 to ${MOST_MEMBERS} members, by what comes in and what waits`,
  );
  const scaling = scaler.run(AbortSignal.any([signal, stop.signal]));
  try {
    await watch.until((status) => sizeOf(status) === 1, signal);
    screen.say(`one member; ${CALM_RATE} messages a second, and soon ${BURST_RATE}`);
    await cast.publishAt({ rate: CALM_RATE });
    await sleep(CALM_MS, undefined, { signal });
    await cast.publishAt({ rate: BURST_RATE });
    await sleep(BURST_MS, undefined, { signal });
    await cast.publishAt({ rate: CALM_RATE });
    screen.say("the burst is over");
    await watch.until((status) => sizeOf(status) === 1 && status.members.length === 1, signal);
    await cast.stopPublishing();
    await watch.until(({ totals }) => totals.lag === 0, signal);
    screen.say(`back to one member: ${plural(tally.ups, "member")} came and ${tally.downs} went`);
    return tally;
  } finally {
    stop.abort();
    await scaling;
  }
}

/** Writes the act's `docktor.yaml`; JSON is YAML. */
function configure({ url, stream, subject, group, ttlMs, folder, recordPath }: Scene): string {
  const consume = {
    record: recordPath,
    "session-ttl-ms": ttlMs,
    "process-time-ms": PROCESS_TIME_MS,
    "member-concurrency": MEMBER_CONCURRENCY,
    "log-level": "warn",
  };
  const service = {
    name: "scaled",
    min_replicas: 1,
    max_replicas: MOST_MEMBERS,
    metrics_window: "2s",
    check_interval: "1s",
    slo: "2s",
    catch_up: "5s",
    scale_down_window: "4s",
    cooldown: { down: "1s" },
    replica_rate: (MEMBER_CONCURRENCY * 1_000) / PROCESS_TIME_MS,
    actions_per_hour: 1_000,
    target: {
      driver: "process",
      command: [
        process.execPath,
        MAIN,
        "consume",
        ...Object.entries(consume).map(([name, value]) => `--${name}=${value}`),
      ],
      env: { NATS_URL: url, STREAM_NAME: stream, SUBJECT_PREFIX: subject, GROUP: group },
      log_folder: folder,
    },
    queue: { kind: "nats", url, stream, consumer: group, subject },
  };
  const file = join(folder, "docktor.yaml");
  writeFileSync(file, JSON.stringify({ version: "1", services: [service] }, undefined, 2));
  return file;
}

/** How many members have not been told to leave. */
function sizeOf({ members }: GroupStatus): number {
  return members.filter(({ state }) => state === "active").length;
}
