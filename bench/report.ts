/** Makes docs/benchmarks.md and its chart from what the benchmarks have written to bench/results. */
import { existsSync, readdirSync, readFileSync, writeFileSync } from "node:fs";
import { bars, type Group } from "./report/bars.ts";
import type { Found, LatencyResults, Results } from "./throughput/results.ts";

const FOLDER = "bench/results";
/** The comparisons that the chart shows. */
const SHOWN = ["publish", "consume"];

const all = read<Results>("throughput");
const latencies = read<LatencyResults>("latency");

/** Docktor beside other queues, if that was measured. */
const PEERS = `${FOLDER}/peers.json`;
const peers = existsSync(PEERS) ? [JSON.parse(readFileSync(PEERS, "utf8")) as Results] : [];

const chart = bars(
  SHOWN.map(groupOf),
  all.map(({ server }) => `nats-server ${server}`),
);
writeFileSync("docs/benchmarks.svg", chart);
writeFileSync("docs/benchmarks.md", page());
console.log("wrote docs/benchmarks.md and docs/benchmarks.svg");

/** What was found on each server, the newest first. */
function read<T extends { server: string }>(kind: string): T[] {
  return readdirSync(FOLDER)
    .filter((name) => name.startsWith(`${kind}-`))
    .map((name) => JSON.parse(readFileSync(`${FOLDER}/${name}`, "utf8")) as T)
    .sort((a, b) => b.server.localeCompare(a.server, "en", { numeric: true }));
}

function groupOf(name: string): Group {
  const contenders = find(all[0], name)?.outcomes.map((outcome) => outcome.name) ?? [];
  return {
    heading: `${name}, times the idiomatic loop`,
    bars: contenders.flatMap((label) =>
      all.flatMap((results, series) => {
        const outcome = find(results, name)?.outcomes.find((each) => each.name === label);
        if (outcome === undefined) return [];
        const value = outcome.ratio.median;
        return [{ label, value, text: `${value.toFixed(2)}×`, series }];
      }),
    ),
  };
}

function find(results: Results | undefined, name: string): Found | undefined {
  return results?.found.find((found) => found.name === name);
}

function page(): string {
  const parts = [
    "# Benchmarks",
    "Made by `make bench`, which runs for an hour, from [bench/results](../bench/results). `make bench-quick` gives a first idea in less than 90 seconds.",
    "![Ratios to the idiomatic loop](benchmarks.svg)",
    "**How it is measured.** All contenders of a table run one after the other in each round, in processes of their own, on one server on the same machine; a ratio compares two of the same round. The table shows the median of the rounds, and the least and the most. CPU seconds and peak memory are the contender's own, for a million messages. Messages have 128 bytes, streams are files, and there are 16 partitions and one member unless a table says otherwise.",
    "- *idiomatic*: `js.publish` with `Promise.all`, 1,000 at a time; `for await … ack()`\n- *tuned*: publishing with one inbox for all acks and 2,000 under way, and *tunedWithIds* with a message id each, as docktor has them; a callback that acknowledges each, 2,000 asked for at a time\n- *unacknowledged*: publishing without acks, consuming without acks: the limit of client and server\n- *publish* and *publishMany*, *eachMessage* with an asynchronous handler, *eachMessageSync*, *eachBatch*: with docktor's defaults, checkpoints and fencing on",
    "**What limits it.** *Publishing*: every message has an id, so that a retry is stored once; the server remembers each, and *tunedWithIds* is what the client can reach with ids. *Many partitions*: the server finds a partition's next message by reading past those of all others. The client by itself, with the same consumers and without checkpoints, is no faster from 128 on; some hundreds of partitions on one stream are more than a busy one should have ([How coordination grows](scaling.md)). *Large messages*: at 16 KiB the server reads the stream's blocks once for each partition, and the member waits for it more than half of the time; one consumer without order per key is faster there.",
    ...all.flatMap(({ server, machine, rounds, found }) => [
      `## nats-server ${server}`,
      `${machine}; ${rounds} rounds.`,
      ...found.map(tableOf),
    ]),
    ...(latencies.length === 0
      ? []
      : ["## From producer to handler", latencyWords(), ...latencies.map(latencyTable)]),
    ...peers.flatMap(({ machine, rounds, found }) => [
      "## Beside other queues",
      "Made by `make bench-peers`. *docktor*: `publishMany`, and `eachMessage` with an asynchronous handler. *BullMQ*: `addBulk` of 1,000 jobs, and a worker with a concurrency of 200; Redis keeps a log and syncs it every second. *RabbitMQ*: persistent messages to a quorum queue with 1,000 confirms under way, and a consumer that acknowledges each of 1,000 prefetched. Each does another job than the others: BullMQ has retries, priorities and delays, and RabbitMQ syncs each batch to disk before it confirms.",
      `${machine}; ${rounds} rounds.`,
      ...found.map(tableOf),
    ]),
  ];
  return `${parts.join("\n\n")}\n`;
}

function latencyWords(): string {
  const rate = latencies[0]?.rate.toLocaleString("en-US");
  return `${rate} messages of 128 bytes a second, each due at its time whatever became of those before, so that a wait counts for all who wait. From when a message was due to when its handler was called; *raw* is the client's own pull consumer with a callback that acknowledges, and the producer is the same. Milliseconds, medians of the rounds. The server, the producer and the consumer share 2 cores.`;
}

function latencyTable({ server, rounds, sides, p99Ratio }: LatencyResults): string {
  const { median, least, most } = p99Ratio;
  const ratio = `${median.toFixed(2)}× (${least.toFixed(2)}–${most.toFixed(2)})`;
  const rows = sides.map(({ side, p50, p99, p999, max }) =>
    [side, ...[p50, p99, p999, max].map((ms) => ms.toFixed(1))].join(" | "),
  );
  return [
    `| nats-server ${server}, ${rounds} rounds; p99 to raw ${ratio} | p50 | p99 | p99.9 | max |`,
    "|---|---|---|---|---|",
    ...rows.map((row) => `| ${row} |`),
  ].join("\n");
}

function tableOf({ name, outcomes }: Found): string {
  const rows = outcomes.map(({ name: contender, rate, ratio, cpuSeconds, peakMb }) =>
    [
      contender,
      `${Math.round(rate / 1_000)} k/s`,
      `${ratio.median.toFixed(2)}× (${ratio.least.toFixed(2)}–${ratio.most.toFixed(2)})`,
      cpuSeconds.toFixed(2),
      `${Math.round(peakMb)} MB`,
    ].join(" | "),
  );
  return [
    `| ${name} | messages | ratio | CPU s | memory |`,
    "|---|---|---|---|---|",
    ...rows.map((row) => `| ${row} |`),
  ].join("\n");
}
