/**
 * Docktor beside what a user would take instead, where that can run here: BullMQ on Redis, and a quorum queue of
 * RabbitMQ with amqplib. What is not installed is skipped, aloud. NATS_SERVER is the server's program, ROUNDS and
 * SECONDS say how long, RESULTS names a file for what is found, as JSON.
 */
import { writeFileSync } from "node:fs";
import { machine } from "./machine.ts";
import {
  type Broker,
  Brokers,
  rabbitVersion,
  startRabbit,
  startRedis,
  versionOf,
} from "./peers/brokers.ts";
import { carryOut, type Effort, outcomesOf } from "./throughput/compare.ts";
import type { Figures } from "./throughput/meter.ts";
import type { Order } from "./throughput/program.ts";
import type { Found, Results } from "./throughput/results.ts";
import type { Setting } from "./throughput/side.ts";
import { Stage } from "./throughput/stage.ts";
import { table } from "./throughput/table.ts";

const { ROUNDS = "5", SECONDS = "2", NATS_SERVER, RESULTS } = process.env;
const effort: Effort = {
  rounds: Number(ROUNDS),
  stretch: { warmUpMs: 700, ms: Number(SECONDS) * 1_000 },
};
const LOAD = { partitions: 16, payload: 128, keys: true, storage: "file" } as const;

/** More than a peer consumes in the time. */
const PEER_MESSAGES = 200_000;
/** More than docktor does. */
const MESSAGES = 2_500_000;

/** What each is called, needs, and is started by. */
const PEERS = [
  {
    side: "bullmq",
    name: "BullMQ on Redis",
    modules: ["bullmq", "ioredis"],
    version: () => versionOf("redis-server", "--version"),
    start: startRedis,
    hint: "apt-get install redis-server",
  },
  {
    side: "rabbitmq",
    name: "RabbitMQ, quorum queue",
    modules: ["amqplib"],
    version: rabbitVersion,
    start: startRabbit,
    hint: "apt-get install rabbitmq-server",
  },
];

interface Runner {
  readonly name: string;
  run(kind: Order["kind"]): Promise<Figures>;
}

await using stage = await Stage.open(NATS_SERVER || undefined);
const full = await stage.fill(LOAD, MESSAGES);
let runs = 0;

const docktor: Runner = {
  name: `docktor on nats-server ${stage.server.version}`,
  run: async (kind) => {
    const empty = kind === "consume" ? full.setting : await stage.create(LOAD);
    const setting = { ...empty, run: `run${++runs}`, members: 1 };
    const side = kind === "consume" ? "eachMessage" : "publishMany";
    const total = kind === "consume" ? { total: full.total } : {};
    const figures = await carryOut(
      { kind, side, setting, stretch: { ...effort.stretch, ...total } },
      1,
    );
    if (kind === "publish") await stage.remove(setting);
    return figures;
  },
};

function peer(name: string, side: string, { url }: Broker): Runner {
  return {
    name,
    run: async (kind) => {
      const total = kind === "consume" ? { total: PEER_MESSAGES } : {};
      const setting: Setting = { ...full.setting, url, run: `run${++runs}`, members: 1, ...total };
      return await carryOut({ kind, side, setting, stretch: { ...effort.stretch, ...total } }, 1);
    },
  };
}

const runners: Runner[] = [docktor];
await using brokers = new Brokers();
for (const { side, name, modules, version, start, hint } of PEERS) {
  const [found, missing] = [version(), modules.filter((module) => !isInstalled(module))];
  if (found === undefined) console.log(`SKIPPED ${name}: its server is not here; ${hint}`);
  else if (missing.length > 0)
    console.log(`SKIPPED ${name}: npm install --no-save ${missing.join(" ")}`);
  else runners.push(peer(`${name} ${found}`, side, brokers.add(await start(found))));
}

const results: Found[] = [];
for (const kind of ["publish", "consume"] as const) {
  const rounds: Figures[][] = [];
  for (let round = 0; round < effort.rounds; round++) {
    const figures: Figures[] = [];
    for (let i = 0; i < runners.length; i++) {
      const turn = (round + i) % runners.length;
      const runner = runners[turn];
      if (runner !== undefined) figures[turn] = await runner.run(kind);
    }
    rounds.push(figures);
  }
  const outcomes = outcomesOf(
    runners.map(({ name }) => name),
    rounds,
  );
  results.push({ name: kind, outcomes });
  console.log(`\n${table(kind, outcomes)}`);
}
if (RESULTS) {
  const { version } = stage.server;
  const all: Results = {
    server: version,
    machine: machine(),
    rounds: effort.rounds,
    found: results,
  };
  writeFileSync(RESULTS, `${JSON.stringify(all, undefined, 2)}\n`);
}

function isInstalled(module: string): boolean {
  try {
    import.meta.resolve(module);
    return true;
  } catch {
    return false;
  }
}
