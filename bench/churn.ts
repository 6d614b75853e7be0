/**
 * Half an hour of comings and goings: members join and leave, are killed and paused, again and again.
 * Each minute a line tells what those that stay hold of memory and handles, and what is kept on the
 * server. Fails when that grows, and when something is left behind at the end.
 */
import { setTimeout as sleep } from "node:timers/promises";
import { type JetStreamManager, jetstreamManager } from "@nats-io/jetstream";
import { connect, nanos } from "@nats-io/transport-node";
import { now, until } from "./clock.ts";
import type { Group } from "./group.ts";
import type { Health } from "./member.ts";
import { underLoad } from "./scene.ts";
import { median } from "./stats.ts";

const PARTITIONS = 32;
const STAYING = ["member-1", "member-2", "member-3"];
const MINUTES = Math.max(2, Number(process.env["MINUTES"] ?? 30));
const RATE = Number(process.env["RATE"] ?? 2_000);
const TTL_MS = 1_000;
/** What is no leak: code that is compiled on the way; a timer, durable or key more at the moment of the look. */
const HEAP = { share: 1.15, extra: 4e6 };
const COUNT = { share: 1, extra: 3 };

/** What is known of one minute. */
interface Minute {
  readonly rounds: number;
  readonly health: readonly Health[];
  readonly durables: number;
  readonly keys: number;
}

const scene = await underLoad({
  partitions: PARTITIONS,
  rate: RATE,
  ttlMs: TTL_MS,
  // Else the disk would fill up.
  ensureStream: { max_age: nanos(60_000) },
});
const { server, group } = scene;
const connection = await connect({ servers: server.url });
const manager = await jetstreamManager(connection);
for (const id of STAYING) await group.join(id);
console.log(
  `nats-server ${server.version}, ${PARTITIONS} partitions, ${STAYING.length} members and a guest, ${RATE} messages/s, TTL ${TTL_MS} ms`,
);
console.log("minute  rounds  heap (MB)            handles     durables  keys");

const minutes: Minute[] = [];
const startedAt = now();
let rounds = 0;
while (minutes.length < MINUTES) {
  await round(group, ++rounds);
  if (now() - startedAt < (minutes.length + 1) * 60_000) continue;
  const health = await Promise.all(STAYING.map((id) => group.health(id)));
  const minute = { rounds, health, ...(await held(manager)) };
  minutes.push(minute);
  console.log(inWords(minutes.length, minute));
}

for (const id of STAYING) await group.leave(id);
// What marks a session as ended lives as long as one.
await sleep(2 * TTL_MS);
const left = await held(manager);
await connection.close();
const published = await scene.end();

const complaints = [
  ...STAYING.flatMap((id, i) => [
    ...growth(`heap of ${id}`, (minute) => minute.health[i]?.heapUsed, HEAP),
    ...growth(`handles of ${id}`, (minute) => minute.health[i]?.handles, COUNT),
  ]),
  ...growth("durables", (minute) => minute.durables, COUNT),
  ...growth("keys", (minute) => minute.keys, COUNT),
  ...(left.durables > PARTITIONS ? [`${left.durables} durables are left`] : []),
  // The roster, and of each partition its lease and its checkpoint.
  ...(left.keys > 2 * PARTITIONS + 1 ? [`${left.keys} keys are left`] : []),
];
console.log(
  `${rounds} rounds, ${published} messages; at the end ${left.durables} durables, ${left.keys} keys`,
);
console.log(complaints.length === 0 ? "PASSED: flat" : `FAILED: ${complaints.join("; ")}`);
if (complaints.length > 0) process.exitCode = 1;

/** A guest comes and goes, one way or the other; another member is drained, or paused for too long. */
async function round(of: Group, number: number): Promise<void> {
  const member = STAYING[number % STAYING.length] ?? "";
  await of.join("guest");
  if (number % 5 === 0) {
    of.pause(member);
    await sleep(1.5 * TTL_MS);
    of.resume(member);
    await until(() => of.settled);
  } else {
    await of.leave(member);
    await of.join(member);
  }
  if (number % 2 === 0) await of.leave("guest");
  else {
    of.kill("guest");
    await until(() => of.settled);
  }
  of.forget();
}

/** What is kept on the server for the group. */
async function held(from: JetStreamManager): Promise<{ durables: number; keys: number }> {
  const { state } = await from.streams.info("EVENTS");
  let keys = 0;
  for (const bucket of ["leases", "members"]) {
    const info = await from.streams.info(`KV_docktor_EVENTS_BENCH_${bucket}`, {
      subjects_filter: ">",
    });
    keys += Object.keys(info.state.subjects ?? {}).length;
  }
  return { durables: state.consumer_count, keys };
}

/** A complaint when the second half of the minutes is above the first. */
function growth(
  what: string,
  of: (minute: Minute) => number | undefined,
  tolerated: { share: number; extra: number },
): string[] {
  const values = minutes.map((minute) => of(minute) ?? Number.NaN);
  const half = Math.floor(values.length / 2);
  const [before, after] = [median(values.slice(0, half)), median(values.slice(half))];
  if (after <= before * tolerated.share + tolerated.extra) return [];
  return [`${what} grew from ${before} to ${after}`];
}

function inWords(minute: number, { rounds: so, health, durables, keys }: Minute): string {
  const heaps = health.map(({ heapUsed }) => (heapUsed / 1e6).toFixed(1)).join(" ");
  const handles = health.map((each) => each.handles).join(" ");
  return [
    String(minute).padStart(6),
    String(so).padStart(6),
    heaps.padEnd(19),
    handles.padEnd(10),
    String(durables).padStart(8),
    String(keys).padStart(4),
  ].join("  ");
}
