/** How durables are made ahead of hand-overs. */
import { setTimeout as sleep } from "node:timers/promises";
import PQueue from "p-queue";
import { expect, test } from "vitest";
import {
  createDurable,
  createDurableAhead,
  createSpare,
  type DurableOptions,
  type Queues,
  restAfter,
} from "../../src/consumer/delivery/durable.ts";
import type { Link } from "../../src/nats/connection.ts";

/** A server that takes its time for each step, and the names of the durables in the order of their steps. */
function slowServer(): { of: (epoch: number) => DurableOptions; queues: Queues; steps: string[] } {
  const steps: string[] = [];
  const add = async (_stream: string, { durable_name }: { durable_name: string }) => {
    steps.push(durable_name);
    // The rest goes by what this takes.
    await sleep(20);
    return { delivered: { consumer_seq: 0 } };
  };
  const queues = {
    creations: new PQueue({ concurrency: 1 }),
    preparations: new PQueue({ concurrency: 1 }),
  };
  const of = (epoch: number): DurableOptions => ({
    link: { manager: { consumers: { add } } } as unknown as Link,
    stream: "S",
    workQueue: false,
    subject: "s",
    group: "G",
    partition: 0,
    epoch,
    after: 0,
    maxAckPending: 1,
    creations: queues.creations,
  });
  return { of, queues, steps };
}

test("a partition that has no durable does not wait for preparations, nor for the rests between them", async () => {
  const { of, queues, steps } = slowServer();
  const first = createDurableAhead(queues, () => of(1));
  const second = createDurableAhead(queues, () => of(2));
  await first;
  await createDurable(of(3));
  await second;
  expect(steps).toEqual(["G-p0-e1", "G-p0-e3", "G-p0-e2"]);
});

test("whoever waited for a durable asks for messages before the next one is made", async () => {
  const { of, steps } = slowServer();
  const asking = [1, 2].map(async (epoch) => {
    await createDurable(of(epoch));
    // As many steps as there may be between the answer and the request.
    for (let i = 0; i < 20; i++) await Promise.resolve();
    steps.push(`messages of epoch ${epoch}`);
  });
  await Promise.all(asking);
  expect(steps).toEqual(["G-p0-e1", "messages of epoch 1", "G-p0-e2", "messages of epoch 2"]);
});

test("a spare is not made when its owner has turned out to live", async () => {
  const { of, steps } = slowServer();
  const over = new AbortController();
  const made = [1, 2].map(async (epoch) => await createSpare(of(epoch), over.signal));
  over.abort();
  await Promise.all(made);
  expect(steps).toEqual(["G-p0-e1"]);
});

test("a partition that has no durable does not wait for the removal of past ones", async () => {
  const { of, queues, steps } = slowServer();
  const removals = ["first", "second", "third"].map((name) =>
    queues.creations.add(() => void steps.push(`remove the ${name}`)),
  );
  await createDurable(of(1));
  await Promise.all(removals);
  expect(steps).toEqual(["remove the first", "G-p0-e1", "remove the second", "remove the third"]);
});

test.each([
  ["eight times as long as one took", { tookMs: 5, waiting: 0, restMs: 40 }],
  [
    "as long while as many wait as a member has of a usual group",
    { tookMs: 5, waiting: 16, restMs: 40 },
  ],
  ["half as long when twice as many wait", { tookMs: 5, waiting: 32, restMs: 20 }],
  ["as long as one took when hundreds wait", { tookMs: 5, waiting: 500, restMs: 5 }],
  [
    "a quarter of a second at most, as on a cluster without a leader",
    { tookMs: 3_000, waiting: 0, restMs: 250 },
  ],
])("between two preparations a member rests %s", (_, { tookMs, waiting, restMs }) => {
  expect(restAfter(tookMs, waiting)).toBe(restMs);
});
