/**
 * How long a hand-over takes, from the moment a member begins to release a partition to the
 * first message handled by its next owner: under load, between processes.
 *
 * One member joins and leaves again and again; each time, its share of the partitions moves.
 */
import { type ChildProcess, fork } from "node:child_process";
import { once } from "node:events";
import { fileURLToPath } from "node:url";
import { EmbeddedServer, Producer, createPacer } from "../src/index.ts";
import type { Report } from "./member.ts";

const PARTITIONS = 32;
const MEMBERS = 4;
const RATE = Number(process.env["RATE"] ?? 10_000);
const HANDOVERS = Number(process.env["HANDOVERS"] ?? 128);

const MEMBER = fileURLToPath(new URL("./member.js", import.meta.url));

class Group {
  readonly durations: number[] = [];
  readonly #url: string;
  /** By partition and the epoch released: when the release began, and the first message after it. */
  readonly #releasing = new Map<string, { begunAt?: number; firstAt?: number }>();
  readonly #members = new Map<string, { child: ChildProcess; partitions: number }>();

  constructor(url: string) {
    this.#url = url;
  }

  async join(memberId: string): Promise<void> {
    const child = fork(MEMBER, [this.#url, memberId, String(PARTITIONS)]);
    const member = { child, partitions: 0 };
    this.#members.set(memberId, member);
    child.on("message", (report: Report) => this.#on(report, member));
    await this.#shared();
  }

  async leave(memberId: string): Promise<void> {
    const member = this.#members.get(memberId);
    if (member === undefined) return;
    this.#members.delete(memberId);
    const exited = once(member.child, "exit");
    member.child.kill("SIGTERM");
    await exited;
    await this.#shared();
  }

  async end(): Promise<void> {
    const exited = [...this.#members.values()].map(({ child }) => {
      child.kill("SIGTERM");
      return once(child, "exit");
    });
    await Promise.all(exited);
  }

  #on(report: Report, member: { partitions: number }): void {
    if (report.type === "rebalance") member.partitions = report.partitions;
    else if (report.type === "released") this.#pair(report, report.epoch, { begunAt: report.at });
    else if (report.epoch > 1) this.#pair(report, report.epoch - 1, { firstAt: report.at });
  }

  /** The two reports come from two processes, in any order. */
  #pair(
    report: { partition: number },
    epoch: number,
    known: { begunAt?: number; firstAt?: number },
  ): void {
    const key = `${report.partition}/${epoch}`;
    const { begunAt, firstAt } = { ...this.#releasing.get(key), ...known };
    this.#releasing.set(key, known);
    if (begunAt === undefined || firstAt === undefined) return;
    this.#releasing.delete(key);
    this.durations.push(firstAt - begunAt);
  }

  /** Resolves once the members share everything evenly and every hand-over is complete. */
  async #shared(): Promise<void> {
    for (;;) {
      const sizes = [...this.#members.values()].map(({ partitions }) => partitions);
      const even = Math.max(...sizes) - Math.min(...sizes) <= 1;
      const all = sizes.reduce((sum, size) => sum + size, 0) === PARTITIONS;
      if (sizes.length === 0 || (even && all && this.#releasing.size === 0)) return;
      await new Promise((resolve) => setTimeout(resolve, 20));
    }
  }
}

async function publish(producer: Producer, signal: AbortSignal): Promise<number> {
  const pacer = createPacer({ rate: RATE });
  const startedAt = performance.now();
  let sent = 0;
  while (!signal.aborted) {
    for (const due = pacer.dueBy(performance.now() - startedAt); sent < due; sent++) {
      await producer.ready();
      void producer.publish(`key-${sent % 1_000}`, "x".repeat(128));
    }
    await new Promise((resolve) => setTimeout(resolve, 2));
  }
  await producer.flush();
  return sent;
}

function percentile(sorted: readonly number[], share: number): number {
  return sorted[Math.min(sorted.length - 1, Math.floor(sorted.length * share))] ?? Number.NaN;
}

const server = await EmbeddedServer.start();
const group = new Group(server.url);
const stop = new AbortController();
const producer = await Producer.connect({
  servers: server.url,
  stream: "EVENTS",
  subject: "events",
  partitions: PARTITIONS,
  ensureStream: true,
});
const publishing = publish(producer, stop.signal);
for (let i = 1; i < MEMBERS; i++) await group.join(`member-${i}`);
group.durations.length = 0;
while (group.durations.length < HANDOVERS) {
  await group.join("guest");
  await group.leave("guest");
}
const durations = [...group.durations].sort((a, b) => a - b);
stop.abort();
await publishing;
await producer.close();
await group.end();
await server.stop();

const [p50, p99, max] = [percentile(durations, 0.5), percentile(durations, 0.99), durations.at(-1)];
const ms = (value = Number.NaN): string => `${value.toFixed(1)} ms`;
console.log(
  `nats-server ${server.version}, ${PARTITIONS} partitions, ${MEMBERS} members, ${RATE} messages/s: ` +
    `${durations.length} hand-overs, p50 ${ms(p50)}, p99 ${ms(p99)}, max ${ms(max)}`,
);
