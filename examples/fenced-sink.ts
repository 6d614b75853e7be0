/**
 * Counts each customer's orders in a KV bucket, each order once: through crashes, and although a member
 * that was paused may wake up late. The count is kept together with the last message that it includes and the
 * epoch that wrote it, and changed by compare-and-set. So it can refuse what is late or was there before.
 */
import { setTimeout } from "node:timers/promises";
import { jetstream } from "@nats-io/jetstream";
import { Kvm } from "@nats-io/kv";
import { connect } from "@nats-io/transport-node";
import { Consumer, type Message } from "docktor";

/** All that is known of one partition's orders, in one entry: it changes as a whole or not at all. */
interface Ledger {
  /** The epoch of the member that wrote it. */
  epoch: number;
  /** The last message that is counted. */
  sequence: number;
  orders: Record<string, number>;
}

const connection = await connect({ servers: process.env["NATS_URL"] ?? "nats://127.0.0.1:4222" });
const ledgers = await new Kvm(jetstream(connection)).create("LEDGERS");

/** Counts the message, unless it is counted or the epoch is over. */
async function count({ partition, sequence, key = "" }: Message, epoch: number): Promise<string> {
  const name = `partition-${partition}`;
  const entry = await ledgers.get(name);
  const ledger = entry?.json<Ledger>() ?? { epoch: 0, sequence: 0, orders: {} };
  if (epoch < ledger.epoch) return `refused, as epoch ${ledger.epoch} has begun`;
  // Counted by a member that died before it could commit.
  if (sequence <= ledger.sequence) return "counted before";
  const orders = { ...ledger.orders, [key]: (ledger.orders[key] ?? 0) + 1 };
  const next: Ledger = { epoch, sequence, orders };
  // Either throws if another member has written meanwhile: the message comes again, or is that one's.
  if (entry === null) await ledgers.create(name, JSON.stringify(next));
  else await ledgers.update(name, JSON.stringify(next), entry.revision);
  return "counted";
}

const consumer = new Consumer({
  connection,
  stream: "ORDERS",
  subject: "orders",
  partitions: 8,
  group: "LEDGER",
  // Short, so that a take-over can be watched: stop a member with kill -STOP, then wake it with -CONT.
  session: { ttlMs: 1_000 },
  ensureStream: true,
});
consumer.on("error", (error) => console.error(error.message));

await consumer.run({
  eachMessage: async (message, { epoch }) => {
    await setTimeout(Number(process.env["WORK_MS"] ?? 0));
    const outcome = await count(message, epoch);
    console.log(`epoch ${epoch}, message ${message.sequence}: ${outcome}`);
  },
});

for (const signal of ["SIGINT", "SIGTERM"]) process.once(signal, () => void consumer.drain());
const error = await consumer.closed();
await connection.close();
if (error !== undefined) throw error;
