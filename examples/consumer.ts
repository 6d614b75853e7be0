/** Joins a group and prints what it gets, until Ctrl-C. */
import { Consumer } from "docktor";

const consumer = new Consumer({
  servers: process.env["NATS_URL"] ?? "nats://127.0.0.1:4222",
  stream: "ORDERS",
  subject: "orders",
  partitions: 8,
  group: "BILLING",
  ensureStream: true,
});

consumer.on("rebalance", ({ partitions }) =>
  console.log(`own partitions: ${partitions.join(" ")}`),
);
consumer.on("error", (error) => console.error(error.message));

await consumer.run({
  eachMessage: (message) => {
    console.log(`partition ${message.partition}, ${message.key}: ${message.string()}`);
  },
});

for (const signal of ["SIGINT", "SIGTERM"]) process.once(signal, () => void consumer.drain());
const error = await consumer.closed();
if (error !== undefined) throw error;
