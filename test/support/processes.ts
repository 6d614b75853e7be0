/** Members as processes of their own: `docktor consume`, with its record. */
import { type ChildProcess, spawn } from "node:child_process";
import { once } from "node:events";
import { existsSync, mkdtempSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { fileURLToPath } from "node:url";
import { describeGroup, type GroupStatus } from "../../src/partition/group-status.ts";
import { type ProcessedRecord, readRecords } from "../../src/record/record.ts";
import { closeAfterTest, eventually, GROUP, STREAM, SUBJECT } from "./group.ts";

/** The built command line; `make build` makes it. */
export const MAIN: string = fileURLToPath(new URL("../../dist/cli/main.js", import.meta.url));

/** A group of member processes on one server. */
export class MemberProcesses {
  readonly #url: string;
  readonly #partitions: number;
  readonly #ttlMs: number;
  readonly #folder = mkdtempSync(join(tmpdir(), "docktor-test-"));
  readonly #running = new Map<string, ChildProcess>();
  readonly #all: string[] = [];

  constructor(url: string, options: { partitions: number; ttlMs: number }) {
    this.#url = url;
    this.#partitions = options.partitions;
    this.#ttlMs = options.ttlMs;
    closeAfterTest(async () => {
      await Promise.all([...this.#running.keys()].map((id) => this.end(id, "SIGKILL")));
      rmSync(this.#folder, { recursive: true, force: true });
    });
  }

  /** Starts a member; resolves when partitions are shared evenly with it. */
  async join(memberId: string): Promise<void> {
    const child = spawn(process.execPath, [MAIN, "consume", "--record", this.#file("%m")], {
      stdio: ["ignore", "ignore", "pipe"],
      env: this.#environment(memberId),
    });
    child.stderr?.pipe(process.stderr);
    this.#running.set(memberId, child);
    this.#all.push(memberId);
    await this.#balanced();
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
    return this.#all.flatMap((id) =>
      existsSync(this.#file(id)) ? readRecords(this.#file(id)) : [],
    );
  }

  /** Resolves when everything published is handled and committed. */
  async caughtUp(): Promise<void> {
    await eventually("nothing is left", async () => (await this.status()).totals.lag === 0, 60_000);
  }

  async #balanced(): Promise<void> {
    await eventually("the partitions are shared evenly", async () => {
      const { members, partitions } = await this.status().catch(() => ({
        members: [],
        partitions: [],
      }));
      const sizes = members.map((member) => member.partitions.length);
      return (
        members.length === this.#running.size &&
        partitions.every(({ owner }) => owner !== null) &&
        Math.max(...sizes) - Math.min(...sizes) <= 1
      );
    });
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
      LOG_LEVEL: "warn",
    };
  }

  #file(memberId: string): string {
    return join(this.#folder, `${memberId}.jsonl`);
  }
}
