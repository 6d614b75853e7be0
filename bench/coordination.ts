/**
 * What belonging to a group costs as it grows: how long a join, a leave and a crash take until the
 * partitions are shared evenly again, and how many messages a group at rest exchanges with the server.
 *
 * PARTITIONS and MEMBERS name the sizes, as in `PARTITIONS=16,128,1024 MEMBERS=2,16,64`; ROUNDS how often
 * each change is made. NATS_SERVER is the server's program.
 */
import { once } from "node:events";
import { mkdirSync, writeFileSync } from "node:fs";
import { createServer } from "node:net";
import { setTimeout as sleep } from "node:timers/promises";
import { EmbeddedServer, Producer } from "../src/index.ts";
import { now } from "./clock.ts";
import { Host } from "./coordination/host-process.ts";
import { Watcher } from "./coordination/watcher.ts";
import { machine } from "./machine.ts";
import { median } from "./stats.ts";

/** The default of `session.ttlMs`. */
const TTL_MS = 5_000;
/** Members share processes, as 64 of these would be a benchmark of Node's start. */
const MEMBERS_PER_HOST = 8;
const REST_MS = 10_000;

const { PARTITIONS = "16,128,1024", MEMBERS = "2,16,64", ROUNDS = "3", NATS_SERVER } = process.env;

/** What one size of group came to; times in milliseconds. */
interface Result {
  readonly partitions: number;
  readonly members: number;
  readonly joinMs: number;
  readonly leaveMs: number;
  readonly crashMs: number;
  /** Messages per second in and out of the server, the group being at rest. */
  readonly trafficPerSecond: number;
  readonly mbPerMember: number;
}

const results: Result[] = [];
let version = "";
console.log("partitions  members  join (ms)  leave (ms)  crash (ms)  at rest (msg/s)  MB a member");
for (const partitions of numbers(PARTITIONS)) {
  // Beyond that, a join changes nothing.
  for (const members of numbers(MEMBERS).filter((count) => count <= partitions)) {
    const result = await measure(partitions, members);
    results.push(result);
    console.log(
      [
        String(partitions).padEnd(10),
        String(members).padEnd(7),
        ...[result.joinMs, result.leaveMs, result.crashMs].map((ms, i) =>
          ms.toFixed(0).padEnd([9, 10, 10][i] ?? 0),
        ),
        result.trafficPerSecond.toFixed(0).padEnd(15),
        result.mbPerMember.toFixed(1),
      ].join("  "),
    );
  }
}
mkdirSync("bench/results", { recursive: true });
writeFileSync(
  `bench/results/coordination-${version}.json`,
  `${JSON.stringify({ server: version, machine: machine(), results }, undefined, 2)}\n`,
);

async function measure(partitions: number, members: number): Promise<Result> {
  const monitorPort = await freePort();
  const server = await EmbeddedServer.start({
    ...(NATS_SERVER ? { binary: NATS_SERVER } : {}),
    extraConfig: `http: "127.0.0.1:${monitorPort}"`,
  });
  const { url } = server;
  ({ version } = server);
  const where = { servers: url, stream: "EVENTS", subject: "events", partitions };
  await (await Producer.connect({ ...where, ensureStream: true })).close();
  const common = { url, partitions, ttlMs: TTL_MS };
  const staying = Array.from({ length: members - 1 }, (_, i) => `member-${i}`);
  const hosts: Host[] = [];
  for (let i = 0; i < staying.length; i += MEMBERS_PER_HOST) {
    hosts.push(await Host.start({ ...common, members: staying.slice(i, i + MEMBERS_PER_HOST) }));
  }
  const watcher = await Watcher.start(url, partitions);
  await watcher.balanced(staying);
  const all = [...staying, "guest"];
  const [joins, leaves, crashes]: number[][] = [[], [], []];
  let guest = await Host.start({ ...common, members: [] });
  for (let round = 0; round < Number(ROUNDS); round++) {
    joins?.push(
      await timed(() => guest.tell("join", "guest"), watcher.balanced.bind(watcher), all),
    );
    leaves?.push(
      await timed(() => guest.tell("leave", "guest"), watcher.balanced.bind(watcher), staying),
    );
    guest.tell("join", "guest");
    await watcher.balanced(all);
    crashes?.push(await timed(() => guest.kill(), watcher.balanced.bind(watcher), staying));
    guest = await Host.start({ ...common, members: [] });
  }
  guest.tell("join", "guest");
  await watcher.balanced(all);
  await watcher.stop();
  await sleep(2_000);
  const before = await traffic(monitorPort);
  await sleep(REST_MS);
  const trafficPerSecond = ((await traffic(monitorPort)) - before) / (REST_MS / 1_000);
  const mb = hosts.reduce((sum, host) => sum + host.mb, 0);
  for (const host of [...hosts, guest]) await host.stop();
  await server.stop();
  return {
    partitions,
    members,
    joinMs: median(joins ?? []),
    leaveMs: median(leaves ?? []),
    crashMs: median(crashes ?? []),
    trafficPerSecond,
    mbPerMember: mb / staying.length,
  };
}

async function timed(
  begin: () => void,
  balanced: (members: readonly string[]) => Promise<number>,
  members: readonly string[],
): Promise<number> {
  const begunAt = now();
  begin();
  return (await balanced(members)) - begunAt;
}

/** How many messages the server has taken and given. */
async function traffic(port: number): Promise<number> {
  const answer = await fetch(`http://127.0.0.1:${port}/varz`);
  const { in_msgs, out_msgs } = (await answer.json()) as { in_msgs: number; out_msgs: number };
  return in_msgs + out_msgs;
}

async function freePort(): Promise<number> {
  const probe = createServer().listen(0, "127.0.0.1");
  await once(probe, "listening");
  const address = probe.address();
  probe.close();
  await once(probe, "close");
  if (address === null || typeof address === "string") throw new Error("there is no free port");
  return address.port;
}

function numbers(list: string): number[] {
  return list.split(",").map(Number);
}
