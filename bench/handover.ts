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
import type { Command, Report } from "./member.ts";

const PARTITIONS = 32;
const MEMBERS = 4;
const RATE = Number(process.env["RATE"] ?? 10_000);
const HANDOVERS = Number(process.env["HANDOVERS"] ?? 256);

const MEMBER = fileURLToPath(new URL("./member.js", import.meta.url));

/** One member's process and how many partitions it owned when it last said so. */
interface Member {
  readonly child: ChildProcess;
  partitions: number;
}

class Group {
  readonly durations: number[] = [];
  /** By partition and the epoch released: when the release began, and the first message after it. */
  readonly #releasing = new Map<string, { begunAt?: number; firstAt?: number }>();
  readonly #all = new Map<string, Member>();
  readonly #joined = new Set<Member>();

  constructor(url: string, memberIds: readonly string[]) {
    for (const id of memberIds) {
      const child = fork(MEMBER, [url, id, String(PARTITIONS)]);
      const member: Member = { child, partitions: 0 };
      child.on("message", (report: Report) => this.#on(report, member));
      this.#all.set(id, member);
    }
  }

  /** Resolves once the partitions are shared evenly with the member. */
  async join(memberId: string): Promise<void> {
    await this.#tell(memberId, "join");
  }

  /** Resolves once the others share the member's partitions evenly. */
  async leave(memberId: string): Promise<void> {
    await this.#tell(memberId, "leave");
  }

  async end(): Promise<void> {
    const exited = [...this.#all.values()].map(({ child }) => once(child, "exit"));
    for (const { child } of this.#all.values()) child.disconnect();
    await Promise.all(exited);
  }

  async #tell(memberId: string, command: Command): Promise<void> {
    const member = this.#all.get(memberId);
    if (member === undefined) throw new Error(`no member ${memberId}`);
    if (command === "join") this.#joined.add(member);
    else this.#joined.delete(member);
    member.partitions = command === "join" ? 0 : member.partitions;
    member.child.send(command);
    while (!this.#settled()) await new Promise((resolve) => setTimeout(resolve, 10));
  }

  #on(report: Report, member: Member): void {
    if (report.type === "rebalance") member.partitions = report.partitions;
    else if (report.type === "released") this.#pair(report, report.epoch, { begunAt: report.at });
    else if (report.epoch > 1) this.#pair(report, report.epoch - 1, { firstAt: report.at });
  }

  /** The two reports come from two processes, in any order. */
  #pair(
    { partition }: { partition: number },
    epoch: number,
    known: { begunAt?: number; firstAt?: number },
  ): void {
    const key = `${partition}/${epoch}`;
    const { begunAt, firstAt } = { ...this.#releasing.get(key), ...known };
    this.#releasing.set(key, known);
    if (begunAt === undefined || firstAt === undefined) return;
    this.#releasing.delete(key);
    this.durations.push(firstAt - begunAt);
  }

  /** Whether the members share everything evenly and every hand-over is complete. */
  #settled(): boolean {
    const sizes = [...this.#joined].map(({ partitions }) => partitions);
    const all = sizes.reduce((sum, size) => sum + size, 0) === PARTITIONS;
    return all && Math.max(...sizes) - Math.min(...sizes) <= 1 && this.#releasing.size === 0;
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
const residents = Array.from({ length: MEMBERS - 1 }, (_, i) => `member-${i + 1}`);
const group = new Group(server.url, [...residents, "guest"]);
const stop = new AbortController();
const producer = await Producer.connect({
  servers: server.url,
  stream: "EVENTS",
  subject: "events",
  partitions: PARTITIONS,
  ensureStream: true,
});
const publishing = publish(producer, stop.signal);
for (const id of residents) await group.join(id);
// The first round warms the guest's process up.
await group.join("guest");
await group.leave("guest");
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
// The promise is about at least a hundred of them.
if (p99 >= 100 || durations.length < 100) process.exitCode = 1;
