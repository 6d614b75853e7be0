/** The three scenarios of a scaled service, with real processes: a backlog, rest, and a burst. Judged by the record. */
import { readdirSync, readFileSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { expect, test } from "vitest";
import { describeGroup } from "../../src/partition/group-status.ts";
import { judge } from "../../src/record/oracle.ts";
import { type ProcessedRecord, readRecords } from "../../src/record/record.ts";
import { Docktor, processesWith, temporaryFolder } from "../support/cli.ts";
import { eventually, GROUP, STREAM, SUBJECT } from "../support/group.ts";
import { Load } from "../support/load.ts";
import { MAIN } from "../support/processes.ts";
import { describeOnEachServer } from "../support/servers.ts";

const PARTITIONS = 32;
/** One member handles one message after the other: some 90 a second. */
const PROCESS_TIME_MS = 10;
const CHECK_MS = 1_000;

interface Decision {
  readonly ts: string;
  readonly decision: "scale_up" | "scale_down" | "hold";
  readonly current_replicas: number;
  readonly target_replicas: number;
  readonly reason: string;
}

/** A service whose scaler runs, with all that it leaves in one folder. */
class ScaledService {
  readonly folder = temporaryFolder();
  readonly scaler: Docktor;
  readonly #url: string;

  constructor(url: string) {
    this.#url = url;
    const consume = [
      process.execPath,
      MAIN,
      "consume",
      `--record=${join(this.folder, "%m.record.jsonl")}`,
      `--process-time-ms=${PROCESS_TIME_MS}`,
      "--member-concurrency=1",
      "--session-ttl-ms=2000",
    ];
    const config = {
      services: [
        {
          name: "consumer",
          min_replicas: 1,
          max_replicas: 10,
          metrics_window: "2s",
          check_interval: `${CHECK_MS}ms`,
          slo: "2s",
          catch_up: "8s",
          scale_down_window: "6s",
          cooldown: { down: "1s" },
          actions_per_hour: 1_000,
          target: { driver: "process", command: consume },
          queue: { kind: "nats", url, stream: STREAM, consumer: GROUP, subject: SUBJECT },
        },
      ],
    };
    const file = join(this.folder, "docktor.yaml");
    // JSON is YAML.
    writeFileSync(file, JSON.stringify(config, undefined, 2));
    this.scaler = new Docktor(["scale-watch", `--config=${file}`, "--json"], {
      env: { XDG_STATE_HOME: this.folder, NATS_URL: url },
    });
  }

  get decisions(): Decision[] {
    const lines = readFileSync(join(this.folder, "docktor", "decisions.jsonl"), "utf8");
    return lines.trim().split("\n").map((line) => JSON.parse(line) as Decision);
  }

  records(): ProcessedRecord[] {
    const files = readdirSync(this.folder).filter((file) => file.endsWith(".record.jsonl"));
    return files.flatMap((file) => readRecords(join(this.folder, file)));
  }

  async status() {
    return await describeGroup({ servers: this.#url, stream: STREAM, group: GROUP, sampleMs: 0 });
  }

  async size(): Promise<number> {
    const { members } = await this.status();
    return members.filter(({ state }) => state === "active").length;
  }
}

describeOnEachServer("a service that is scaled", ({ start }) => {
  test("grows with a backlog and a burst, shrinks at rest, and loses, repeats and reorders nothing", async () => {
    const { url } = await start();
    const load = await Load.connect(url, { partitions: PARTITIONS, keys: 1_000, rate: 100 });

    // A backlog, and nobody to work it off.
    await load.publish(4_000);
    const service = new ScaledService(url);
    await eventually("it grows", async () => (await service.size()) >= 3, 30_000);
    await eventually("the backlog is worked off", async () => (await service.status()).totals.lag === 0, 60_000);

    // Rest.
    await eventually("it is back at its minimum", async () => (await service.size()) === 1, 60_000);

    // 100 messages a second, and then 500 for 10 s.
    load.start();
    await eventually("the load flows", () => service.records().length > 4_000 + 800, 30_000);
    const beforeBurst = new Date().toISOString();
    await load.burst({ rate: 500, forMs: 10_000 });
    const afterBurst = new Date().toISOString();
    const during = service.decisions.filter(({ ts }) => ts >= beforeBurst && ts <= afterBurst);
    const grown = during.find(({ decision }) => decision === "scale_up");
    const waitedMs = Date.parse(grown?.ts ?? afterBurst) - Date.parse(beforeBurst);
    // Two looks, and the time that the first one may be away.
    expect(waitedMs).toBeLessThanOrEqual(3 * CHECK_MS);
    expect(during.filter(({ decision }) => decision === "scale_down")).toEqual([]);
    await load.end();
    await eventually("all is worked off", async () => (await service.status()).totals.lag === 0, 60_000);
    await eventually("it is back at its minimum", async () => (await service.size()) === 1, 60_000);

    service.scaler.kill("SIGTERM");
    const { code } = await service.scaler.ended;
    expect(code).toBe(0);
    expect((await service.status()).members).toEqual([]);
    expect(processesWith(service.folder)).toEqual([]);
    const verdict = judge(load.published, service.records());
    expect(verdict).toMatchObject({ lost: 0, duplicated: 0, outOfOrder: 0, sharedEpochs: 0 });
  }, 240_000);
});
