/**
 * How long a group takes to get over what happens to its members, under load: hand-overs, crashes,
 * and pauses beyond the TTL. Prints a line for each, and writes bench/results/failover-<version of the server>.json.
 */
import { mkdirSync, writeFileSync } from "node:fs";
import { cpus } from "node:os";
import { Observer } from "./observer.ts";
import { underLoad } from "./scene.ts";
import { inWords, summarize } from "./stats.ts";
import { crashes, handovers, pauses } from "./trials.ts";

const PARTITIONS = 32;
const MEMBERS = ["member-1", "member-2", "member-3", "member-4"];
const RATE = Number(process.env["RATE"] ?? 10_000);
const TRIALS = Number(process.env["TRIALS"] ?? 100);
const HANDOVERS = Number(process.env["HANDOVERS"] ?? 1_000);
const TTL_MS = Number(process.env["TTL_MS"] ?? 1_000);

const scene = await underLoad({ partitions: PARTITIONS, rate: RATE, ttlMs: TTL_MS });
const { server, group } = scene;
console.log(
  `nats-server ${server.version}, ${PARTITIONS} partitions, ${MEMBERS.length} members, ${RATE} messages/s, TTL ${TTL_MS} ms`,
);

for (const id of MEMBERS.slice(1)) await group.join(id);
const { gaps, repeated } = await handovers(group, HANDOVERS);
const handover = summarize(gaps);
console.log(`hand-over        ${inWords(handover)}; ${repeated} messages twice`);

await group.join("member-1");
const { failovers, rejoins } = await crashes(group, MEMBERS, TRIALS);
const failover = summarize(failovers);
console.log(`crash fail-over  ${inWords(failover)}, of each partition of ${TRIALS} members killed`);
const restart = summarize(rejoins);
console.log(`rejoin, restart  ${inWords(restart)}, from the start of the process`);

const observer = await Observer.start(server.url, "BENCH");
const fenced = await pauses(group, observer, MEMBERS, { count: TRIALS, ttlMs: TTL_MS });
await observer.stop();
const fence = summarize(fenced.delays);
const { lateStarts, lateCommits, lateAcks } = fenced;
console.log(
  `fence delay      ${inWords(fence)}, after a pause of ${3 * TTL_MS} ms; ${lateStarts} handlers started, ${lateCommits} commits, ${lateAcks} acks after the take-over`,
);
const wake = summarize(fenced.rejoins);
console.log(`rejoin, awake    ${inWords(wake)}, from when it goes on`);

const published = await scene.end();

const machine = `${cpus().length} cores, Node ${process.versions.node}, nats-server ${server.version}`;
const settings = { partitions: PARTITIONS, members: MEMBERS.length, rate: RATE, ttlMs: TTL_MS };
mkdirSync("bench/results", { recursive: true });
writeFileSync(
  `bench/results/failover-${server.version}.json`,
  `${JSON.stringify(
    {
      machine,
      ...settings,
      published,
      handover: { ...handover, repeated },
      failover,
      restart,
      fence: { ...fence, lateStarts, lateCommits, lateAcks },
      wake,
    },
    undefined,
    2,
  )}\n`,
);
const kept =
  handover.p99 < 100 &&
  repeated === 0 &&
  failover.p99 <= TTL_MS + 250 &&
  lateStarts + lateCommits + lateAcks === 0;
if (!kept) process.exitCode = 1;
