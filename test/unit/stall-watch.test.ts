/** Who does not get on, with time in the test's hands. */
import { beforeEach, expect, test } from "vitest";
import { StallWatch } from "../../src/consumer/stall-watch.ts";
import { ManualClock } from "../support/clock.ts";

interface Partition {
  name: string;
  oldest: number | undefined;
}

let clock: ManualClock;
let partitions: Partition[];
/** What was told: partition, sequence, for how long. */
let told: [string, number, number][];
let watch: StallWatch<Partition>;

beforeEach(() => {
  clock = new ManualClock();
  [partitions, told] = [[{ name: "p0", oldest: undefined }], []];
  watch = new StallWatch({
    clock,
    afterMs: 1_000,
    pumps: () => partitions,
    onStalled: ({ name }, sequence, stalledMs) => told.push([name, sequence, stalledMs]),
  });
});

/** Looks every 250 ms for so long, as it does by itself. */
async function pass(ms: number): Promise<void> {
  for (let passed = 0; passed < ms; passed += 250) {
    await clock.advance(250);
    watch.look();
  }
}

function begin(sequence: number | undefined): void {
  const [first] = partitions;
  if (first !== undefined) first.oldest = sequence;
  watch.look();
}

test("a message that is under way for too long is told, and told again each time as long", async () => {
  begin(7);
  await pass(750);
  expect(told).toEqual([]);
  await pass(1_500);
  expect(told).toEqual([
    ["p0", 7, 1_000],
    ["p0", 7, 2_000],
  ]);
});

test("a partition that gets on is never told, however long it has work", async () => {
  for (let sequence = 1; sequence <= 10; sequence++) {
    begin(sequence);
    await pass(750);
  }
  expect(told).toEqual([]);
});

test("time without a message does not count, not even between two looks at the same message", async () => {
  begin(7);
  await pass(750);
  begin(undefined);
  await pass(5_000);
  begin(7);
  await pass(750);
  expect(told).toEqual([]);
});

test("each partition has its own time", async () => {
  begin(7);
  await pass(500);
  partitions.push({ name: "p1", oldest: 9 });
  await pass(1_000);
  expect(told).toEqual([["p0", 7, 1_000]]);
  await pass(250);
  expect(told).toEqual([
    ["p0", 7, 1_000],
    ["p1", 9, 1_000],
  ]);
});

test("time in which nobody could look counts", async () => {
  begin(7);
  clock.freeze(60_000);
  watch.look();
  expect(told).toEqual([["p0", 7, 60_000]]);
});
