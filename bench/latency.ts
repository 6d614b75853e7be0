/**
 * From when a message is due to its handler, at a steady pace: docktor side by side with the client's own
 * pull consumer, the producer being the same. RATE, SECONDS and ROUNDS may be given, and NATS_SERVER, the server's program.
 */
import { type ChildProcess, fork } from "node:child_process";
import { once } from "node:events";
import { fileURLToPath } from "node:url";
import { median } from "./stats.ts";
import type { Lateness, LatencyOrder } from "./throughput/latency-program.ts";
import { Stage } from "./throughput/stage.ts";

const PROGRAM = fileURLToPath(new URL("./throughput/latency-program.js", import.meta.url));
const SIDES = ["raw", "docktor"];
const { RATE = "20000", SECONDS = "5", ROUNDS = "5", NATS_SERVER } = process.env;

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
for (const side of SIDES) {
  const all = rounds.flatMap((found) => found.get(side) ?? []);
  const of = (key: keyof Lateness): string => median(all.map((each) => each[key])).toFixed(2);
  console.log(
    `${side.padEnd(8)} p50 ${of("p50")} ms, p99 ${of("p99")} ms, p99.9 ${of("p999")} ms, max ${of("max")} ms, ${of("messages")} messages`,
  );
}
const ratios = rounds.map(
  (found) => (found.get("docktor")?.p99 ?? NaN) / (found.get("raw")?.p99 ?? NaN),
);
console.log(
  `p99, docktor to raw: ${median(ratios).toFixed(2)}× (${Math.min(...ratios).toFixed(2)}–${Math.max(...ratios).toFixed(2)})`,
);

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
