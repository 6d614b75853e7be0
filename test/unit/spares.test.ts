/** Durables for a crash that is not sure yet, over the store in memory. */
import { beforeEach, expect, test } from "vitest";
import { checkpointKey, type LeaseRecord } from "../../src/lease/records.ts";
import { ABSENT } from "../../src/lease/store.ts";
import type { GroupView } from "../../src/lease/view.ts";
import { Spares } from "../../src/partition/spares.ts";
import { ManualClock } from "../support/clock.ts";
import { FakeWork } from "../support/fake-work.ts";
import { MemoryStore } from "../support/memory-store.ts";

let store: MemoryStore;
let work: FakeWork;
/** The lease records by partition, as the view shows them. */
let leases: Map<number, LeaseRecord>;
let spares: Spares;
let over: AbortController;

beforeEach(async () => {
  store = new MemoryStore(new ManualClock());
  work = new FakeWork();
  over = new AbortController();
  leases = new Map([
    [0, { epoch: 3, owner: "b", incarnation: "b1" }],
    [1, { epoch: 7, owner: "c", incarnation: "c1" }],
    [2, { epoch: 5, owner: "b", incarnation: "b1" }],
    [3, { epoch: 2, next: "b" }],
  ]);
  const lease = (partition: number): unknown => {
    const record = leases.get(partition);
    return record && { record, revision: 1 };
  };
  for (const [partition, { epoch }] of leases) {
    const sequence = 100 * epoch;
    await store.write(checkpointKey(partition), { epoch, sequence, created: "monday" }, ABSENT);
  }
  spares = new Spares({ store, view: { lease } as unknown as GroupView, work });
});

test("each partition of that life gets the next epoch's durable, from its checkpoint, and nobody else's does", async () => {
  await spares.make("b1", 4, over.signal);
  expect(work.news()).toEqual([
    "make a spare of 0 for epoch 4 behind 300",
    "make a spare of 2 for epoch 6 behind 500",
  ]);
});

test("nothing is made any more when it is over meanwhile", async () => {
  const making = spares.make("b1", 4, over.signal);
  over.abort();
  await making;
  expect(work.news()).toEqual([]);
});

test("nothing is made of a partition whose checkpoint cannot be read", async () => {
  store.get = () => Promise.reject(new Error("no answer"));
  await spares.make("b1", 4, over.signal);
  expect(work.news()).toEqual([]);
});

test("they are removed when that life goes on, but for what it has handed over since", async () => {
  await spares.make("b1", 4, over.signal);
  work.news();
  leases.set(2, { epoch: 6, owner: "c", incarnation: "c1" });
  await spares.remove("b1");
  expect(work.news()).toEqual(["remove the spare of 0 for epoch 4"]);
  await spares.remove("b1");
  expect(work.news()).toEqual([]);
});

test("they stay when it is dead: others are about to use them", async () => {
  await spares.make("b1", 4, over.signal);
  work.news();
  over.abort();
  await spares.remove("b1");
  expect(work.news()).toEqual([]);
});
