/** Publishes the orders of three customers: what has one key stays in order. */
import { Producer } from "docktor";

const producer = await Producer.connect({
  servers: process.env["NATS_URL"] ?? "nats://127.0.0.1:4222",
  stream: "ORDERS",
  subject: "orders",
  partitions: 8,
  ensureStream: true,
});

for (let number = 1; number <= 9; number++) {
  const customer = `customer-${number % 3}`;
  const { partition, sequence } = await producer.publish(customer, JSON.stringify({ number }));
  console.log(`${customer}, order ${number}: partition ${partition}, sequence ${sequence}`);
}

await producer.close();
