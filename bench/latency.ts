/**
 * From when a message is due to its handler, at a steady pace: docktor side by side with the client's own
 * pull consumer, the producer being the same. RATE, SECONDS and ROUNDS may be given, NATS_SERVER, the server's program,
 * and RESULTS, a file for what is found, as JSON.
 */
import { type ChildProcess, fork } from "node:child_process";
import { once } from "node:events";
import { writeFileSync } from "node:fs";
import { fileURLToPath } from "node:url";
import { machine } from "./machine.ts";
import { median } from "./stats.ts";
import type { Lateness, LatencyOrder } from "./throughput/latency-program.ts";
import type { LatencyResults } from "./throughput/results.ts";
import { Stage } from "./throughput/stage.ts";

const PROGRAM = fileURLToPath(new URL("./throughput/latency-program.js", import.meta.url));
const SIDES = ["raw", "docktor"];
const { RATE = "20000", SECONDS = "5", ROUNDS = "5", NATS_SERVER, RESULTS } = process.env;

await using stage = await Stage.open(NATS_SERVER || undefined);
console.log(`nats-server ${stage.server.version}, ${RATE} messages/s of 128 bytes, 16 partitions`);
const rounds: Map<string, Lateness>[] = [];
for (let round = 0; round < Number(ROUNDS); round++) {
  const found = new Map<string, Lateness>();
  for (let i = 0; i < SIDES.length; i++) {
    const side = SIDES[(round + i) % SIDES.length] ?? "";
    found.set(side, await measure(side));
  }
  rounds.push(found);
}
const sides = SIDES.map((side) => {
  const all = rounds.flatMap((found) => found.get(side) ?? []);
  const of = (key: keyof Lateness): number => median(all.map((each) => each[key]));
  return {
    side,
    p50: of("p50"),
    p99: of("p99"),
    p999: of("p999"),
    max: of("max"),
    messages: of("messages"),
  };
});
for (const { side, p50, p99, p999, max, messages } of sides) {
  const [half, most, all, worst] = [p50, p99, p999, max].map((ms) => ms.toFixed(2));
  console.log(
    `${side.padEnd(8)} p50 ${half} ms, p99 ${most} ms, p99.9 ${all} ms, max ${worst} ms, ${messages} messages`,
  );
}
const ratios = rounds.map(
  (found) => (found.get("docktor")?.p99 ?? NaN) / (found.get("raw")?.p99 ?? NaN),
);
console.log(
  `p99, docktor to raw: ${median(ratios).toFixed(2)}× (${Math.min(...ratios).toFixed(2)}–${Math.max(...ratios).toFixed(2)})`,
);

if (RESULTS) {
  const { version } = stage.server;
  const spread = { median: median(ratios), least: Math.min(...ratios), most: Math.max(...ratios) };
  const results: LatencyResults = {
    server: version,
    machine: machine(),
    rounds: rounds.length,
    rate: Number(RATE),
    sides,
    p99Ratio: spread,
  };
  writeFileSync(RESULTS, `${JSON.stringify(results, undefined, 2)}\n`);
}

async function measure(side: string): Promise<Lateness> {
  const empty = await stage.create({ partitions: 16, payload: 128, keys: true, storage: "file" });
  const common = {
    side,
    setting: { ...empty, run: "paced", members: 1 },
    rate: Number(RATE),
    warmUpMs: 1_000,
    ms: Number(SECONDS) * 1_000,
  };
  const begin = (role: LatencyOrder["role"]): ChildProcess =>
    fork(PROGRAM, [JSON.stringify({ ...common, role } satisfies LatencyOrder)]);
  const [publisher, consumer] = [begin("publisher"), begin("consumer")];
  try {
    await Promise.all([once(publisher, "message"), once(consumer, "message")]);
    const published = once(publisher, "message");
    for (const child of [consumer, publisher]) child.send("go");
    await published;
    const told = once(consumer, "message");
    consumer.send("tell");
    return ((await told) as [Lateness])[0];
  } finally {
    const gone = [publisher, consumer].map((child) => once(child, "exit"));
    for (const child of [publisher, consumer]) child.kill("SIGKILL");
    await Promise.all(gone);
    await stage.remove(empty);
  }
}
