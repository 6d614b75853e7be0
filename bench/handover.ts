/**
 * How long a hand-over takes, from the moment a member begins to release a partition to the
 * first message handled by its next owner: under load, between processes.
 *
 * One member joins and leaves again and again; each time, its share of the partitions moves.
 */
import { underLoad } from "./scene.ts";
import { inWords, summarize } from "./stats.ts";
import { handovers } from "./trials.ts";

const PARTITIONS = 32;
const MEMBERS = 4;
const RATE = Number(process.env["RATE"] ?? 10_000);
const HANDOVERS = Number(process.env["HANDOVERS"] ?? 256);

const scene = await underLoad({ partitions: PARTITIONS, rate: RATE, ttlMs: 5_000 });
const { server, group } = scene;
for (let i = 1; i < MEMBERS; i++) await group.join(`member-${i}`);
const { gaps, repeated } = await handovers(group, HANDOVERS);
await scene.end();

const summary = summarize(gaps);
console.log(
  `nats-server ${server.version}, ${PARTITIONS} partitions, ${MEMBERS} members, ${RATE} messages/s: ` +
    `hand-overs ${inWords(summary)}, ${repeated} messages twice`,
);
// The promise is about at least a hundred of them.
if (summary.p99 >= 100 || summary.count < 100 || repeated > 0) process.exitCode = 1;
