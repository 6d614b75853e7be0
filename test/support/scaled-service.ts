/** A service that `docktor scale-watch` scales, its replicas being processes; with all that it leaves in one folder. */
import { existsSync, readdirSync, readFileSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { describeGroup, type GroupStatus } from "../../src/partition/group-status.ts";
import { type ProcessedRecord, readRecords } from "../../src/record/record.ts";
import { Docktor, processesWith, temporaryFolder } from "./cli.ts";
import { GROUP, STREAM, SUBJECT } from "./group.ts";
import { MAIN } from "./processes.ts";

/** One member handles one message after the other: some 90 a second. */
const PROCESS_TIME_MS = 10;
/** How often it is decided. */
const CHECK_MS = 1_000;

/** A line of the log of decisions. */
export interface Decision {
  readonly ts: string;
  readonly decision: "scale_up" | "scale_down" | "hold";
  readonly current_replicas: number;
  readonly target_replicas: number;
  readonly reason: string;
}

/** It is stopped after the test. */
export class ScaledService {
  readonly folder: string;
  scaler: Docktor;
  readonly #url: string;
  readonly #file: string;

  /**
   * @param more keys of the service in the configuration
   * @param folder where records are, if its replicas are not the scaler's own processes
   * @param flags of the first scaler
   */
  constructor(
    url: string,
    more: Readonly<Record<string, unknown>> = {},
    folder: string = temporaryFolder(),
    flags: readonly string[] = [],
  ) {
    this.#url = url;
    this.folder = folder;
    this.#file = join(this.folder, "docktor.yaml");
    this.configure(more);
    this.scaler = this.watch(flags);
  }

  /** Writes the configuration. */
  configure(more: Readonly<Record<string, unknown>> = {}): void {
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
          queue: {
            kind: "nats",
            url: this.#url,
            stream: STREAM,
            consumer: GROUP,
            subject: SUBJECT,
          },
          ...more,
        },
      ],
    };
    // JSON is YAML.
    this.write(JSON.stringify(config, undefined, 2));
  }

  /** Writes whatever it is for a configuration. */
  write(text: string): void {
    writeFileSync(this.#file, text);
  }

  /** Starts a scaler, beside those that run. */
  watch(flags: readonly string[] = []): Docktor {
    return new Docktor(["scale-watch", `--config=${this.#file}`, ...flags], {
      env: { XDG_STATE_HOME: this.folder, NATS_URL: this.#url },
    });
  }

  /** What was decided at each look, by a scaler with `--json`. */
  get looks(): Decision[] {
    const lines = this.scaler.stdout.split("\n").slice(0, -1);
    return lines.map((line) => JSON.parse(line) as Decision);
  }

  get decisions(): Decision[] {
    const path = join(this.folder, "docktor", "decisions.jsonl");
    if (!existsSync(path)) return [];
    const lines = readFileSync(path, "utf8");
    return lines
      .trim()
      .split("\n")
      .map((line) => JSON.parse(line) as Decision);
  }

  /** The process ids of its replicas, in the order of their size. */
  pids(): number[] {
    const replicas = processesWith(`--record=${this.folder}`).filter((line) =>
      line.includes(" consume "),
    );
    return replicas.map((line) => Number.parseInt(line, 10)).sort((a, b) => a - b);
  }

  records(): ProcessedRecord[] {
    const files = readdirSync(this.folder).filter((file) => file.endsWith(".record.jsonl"));
    return files.flatMap((file) => readRecords(join(this.folder, file)));
  }

  async status(): Promise<GroupStatus> {
    return await describeGroup({ servers: this.#url, stream: STREAM, group: GROUP, sampleMs: 0 });
  }

  async size(): Promise<number> {
    const { members } = await this.status();
    return members.filter(({ state }) => state === "active").length;
  }
}
