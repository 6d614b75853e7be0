/** Members as processes of their own: `docktor consume`, with its record. */
import { type ChildProcess, spawn } from "node:child_process";
import { once } from "node:events";
import { existsSync, mkdtempSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { fileURLToPath } from "node:url";
import type { Link } from "../../src/nats/connection.ts";
import { describeGroup, type GroupStatus } from "../../src/partition/group-status.ts";
import { type ProcessedRecord, readRecords } from "../../src/record/record.ts";
import { closeAfterTest, eventually, GROUP, link, STREAM, SUBJECT } from "./group.ts";

/** The built command line; `make build` makes it. */
export const MAIN: string = fileURLToPath(new URL("../../dist/cli/main.js", import.meta.url));

const LEASES = `docktor_${STREAM}_${GROUP}_leases`;

/** A group of member processes on one server. */
export class MemberProcesses {
  readonly #url: string;
  readonly #partitions: number;
  readonly #ttlMs: number;
  readonly #restartDelayMs: number;
  readonly #folder = mkdtempSync(join(tmpdir(), "docktor-test-"));
  readonly #running = new Map<string, ChildProcess>();
  readonly #all = new Set<string>();
  #link: Link | undefined;

  constructor(
    url: string,
    options: { partitions: number; ttlMs: number; restartDelayMs?: number },
  ) {
    this.#url = url;
    this.#partitions = options.partitions;
    this.#ttlMs = options.ttlMs;
    this.#restartDelayMs = options.restartDelayMs ?? 0;
    closeAfterTest(async () => {
      await Promise.all([...this.#running.keys()].map((id) => this.end(id, "SIGKILL")));
      rmSync(this.#folder, { recursive: true, force: true });
    });
  }

  /** Starts a member, or starts it again; resolves when partitions are shared evenly with it. */
  async join(memberId: string): Promise<void> {
    const before = (await this.#lives()).get(memberId);
    const child = spawn(process.execPath, [MAIN, "consume", "--record", this.#file("%m")], {
      stdio: ["ignore", "ignore", "pipe"],
      env: this.#environment(memberId),
    });
    child.stderr?.pipe(process.stderr);
    this.#running.set(memberId, child);
    this.#all.add(memberId);
    await this.#balanced(memberId, before);
  }

  /** Ends a member by a signal and returns its exit code; null when the signal killed it. */
  async end(memberId: string, signal: "SIGTERM" | "SIGKILL"): Promise<number | null> {
    const child = this.#running.get(memberId);
    if (child === undefined) throw new Error(`no member ${memberId}`);
    this.#running.delete(memberId);
    const exited = once(child, "exit");
    child.kill(signal);
    const [code] = (await exited) as [number | null];
    return code;
  }

  /** The members that run, in order of joining. */
  get running(): string[] {
    return [...this.#running.keys()];
  }

  async status(): Promise<GroupStatus> {
    return await describeGroup({ servers: this.#url, stream: STREAM, group: GROUP, sampleMs: 0 });
  }

  /** Everything on record so far, each member's in its own order. */
  records(): ProcessedRecord[] {
    return [...this.#all].flatMap((id) =>
      existsSync(this.#file(id)) ? readRecords(this.#file(id)) : [],
    );
  }

  /** How many messages are stored and not yet handled for good. */
  async lag(): Promise<number> {
    return (await this.status()).totals.lag;
  }

  /** Resolves when everything published is handled and committed. */
  async caughtUp(): Promise<void> {
    await eventually("nothing is left", async () => (await this.lag()) === 0, 60_000);
  }

  /**
   * Resolves when the partitions are shared evenly, and the member's life is another one than `before`.
   * Looks at the leases only: asking for every partition's lag would be a load of its own.
   */
  async #balanced(memberId: string, before: string | undefined): Promise<void> {
    const shared = async (): Promise<boolean> => {
      const lives = await this.#lives();
      const life = lives.get(memberId);
      if (lives.size !== this.#running.size || life === undefined || life === before) return false;
      const sizes = new Map([...lives.values()].map((incarnation) => [incarnation, 0]));
      for (let partition = 0; partition < this.#partitions; partition++) {
        const incarnation = String((await this.#read(`lease.${partition}`))?.["incarnation"]);
        const size = sizes.get(incarnation);
        if (size === undefined) return false;
        sizes.set(incarnation, size + 1);
      }
      return Math.max(...sizes.values()) - Math.min(...sizes.values()) <= 1;
    };
    await eventually("the partitions are shared evenly", shared, 30_000);
  }

  /** The incarnations on the roster, by member id. */
  async #lives(): Promise<Map<string, string>> {
    const roster = await this.#read("lease.roster").catch(() => undefined);
    const members = (roster?.["members"] ?? {}) as Record<string, { incarnation: string }>;
    return new Map(Object.entries(members).map(([id, { incarnation }]) => [id, incarnation]));
  }

  async #read(key: string): Promise<Record<string, unknown> | undefined> {
    this.#link ??= await link(this.#url);
    const { streams } = this.#link.manager;
    // nats-server 2.9.10 crashes when a message is read from a stream that is still being made.
    if ((await streams.info(`KV_${LEASES}`)).state.messages === 0) return undefined;
    const found = await streams.getMessage(`KV_${LEASES}`, {
      last_by_subj: `$KV.${LEASES}.${key}`,
    });
    return found?.json();
  }

  #environment(memberId: string): NodeJS.ProcessEnv {
    return {
      ...process.env,
      NATS_URL: this.#url,
      STREAM_NAME: STREAM,
      SUBJECT_PREFIX: SUBJECT,
      PARTITIONS: String(this.#partitions),
      GROUP,
      MEMBER_ID: memberId,
      SESSION_TTL_MS: String(this.#ttlMs),
      RESTART_DELAY_MS: String(this.#restartDelayMs),
      LOG_LEVEL: "warn",
    };
  }

  #file(memberId: string): string {
    return join(this.#folder, `${memberId}.jsonl`);
  }
}
