import { join } from "node:path";
import { jetstream } from "@nats-io/jetstream";
import { Kvm } from "@nats-io/kv";
import { expect, test } from "vitest";
import { Producer } from "../../src/producer/producer.ts";
import { compiledExamples, Program } from "../support/examples.ts";
import { closeAfterTest, eventually, link } from "../support/group.ts";
import { describeOnEachServer } from "../support/servers.ts";

const examples = compiledExamples();
const CUSTOMERS = 40;

describeOnEachServer("a sink that refuses older epochs and sequences it has", ({ start }) => {
  const publish = async (url: string, orders: number): Promise<void> => {
    const producer = await Producer.connect({
      servers: url,
      stream: "ORDERS",
      subject: "orders",
      partitions: 8,
      ensureStream: true,
    });
    closeAfterTest(() => producer.close());
    const stored = Array.from({ length: orders }, (_, i) =>
      producer.publish(`customer-${i % CUSTOMERS}`, ""),
    );
    await Promise.all(stored);
  };

  /** How many orders of each customer the sink has counted. */
  const counts = async (url: string): Promise<Map<string, number>> => {
    const { connection } = await link(url);
    const ledgers = await new Kvm(jetstream(connection)).open("LEDGERS");
    const all = new Map<string, number>();
    for (let partition = 0; partition < 8; partition++) {
      const entry = await ledgers.get(`partition-${partition}`);
      const { orders } = entry?.json<{ orders: Record<string, number> }>() ?? { orders: {} };
      for (const [customer, count] of Object.entries(orders)) all.set(customer, count);
    }
    return all;
  };

  test("gets each effect once, although an owner that was paused past its TTL wakes up in the middle of its work", async () => {
    const { url } = await start();
    const file = join(examples(), "fenced-sink.js");
    const counted = (program: Program): number[] => program.numbers(/message (\d+): counted$/gm);
    const total = async (): Promise<number> =>
      [...(await counts(url)).values()].reduce((sum, count) => sum + count, 0);

    await publish(url, 200);
    const sleeper = new Program(file, url, { WORK_MS: "100" });
    await eventually("it has begun", () => counted(sleeper).length >= 8);
    sleeper.kill("SIGSTOP");
    const heir = new Program(file, url);
    await eventually("the other has counted the rest", async () => (await total()) === 200);
    sleeper.kill("SIGCONT");
    const refused = (): number[] => sleeper.numbers(/^epoch 1, message (\d+): refused/gm);
    await eventually("it is refused", () => refused().length > 0);

    // It is back, and both go on.
    await publish(url, 200);
    await eventually("the new ones are counted, too", async () => (await total()) === 400);
    const customers = Array.from({ length: CUSTOMERS }, (_, i) => `customer-${i}`);
    const all = await counts(url);
    expect(customers.map((customer) => all.get(customer))).toEqual(customers.map(() => 10));
    const once = [...counted(sleeper), ...counted(heir)];
    expect(new Set(once).size).toBe(once.length);
    expect(refused().filter((sequence) => counted(sleeper).includes(sequence))).toEqual([]);
    expect(await Promise.all([sleeper.stop(), heir.stop()])).toEqual([
      [0, null],
      [0, null],
    ]);
  });
});
