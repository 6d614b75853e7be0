/** A partition's checkpoint in the hands of one owner after the other, over the store in memory. */
import { beforeEach, describe, expect, test } from "vitest";
import { Checkpoint } from "../../src/lease/checkpoint.ts";
import { ManualClock } from "../support/clock.ts";
import { MemoryStore } from "../support/memory-store.ts";

let store: MemoryStore;

beforeEach(() => {
  store = new MemoryStore(new ManualClock());
});

const STREAM = { created: "2026-01-01T00:00:00Z", lastSequence: 100 };

const seal = (epoch: number, stream = STREAM): Promise<Checkpoint> =>
  Checkpoint.seal({ store, partition: 0, epoch, lookAtStream: () => Promise.resolve(stream) });

describe("a checkpoint", () => {
  test("knows how far it is after each commit", async () => {
    const checkpoint = await seal(1);
    expect([checkpoint.previous, checkpoint.sequence]).toEqual([undefined, 0]);
    await checkpoint.commit(5);
    await checkpoint.commit(9);
    expect(checkpoint.sequence).toBe(9);
  });

  test("says how many deliveries it covers, also when something else is written, and of each epoch anew", async () => {
    const written = async (): Promise<unknown> => (await store.get("checkpoint.0"))?.value;
    const checkpoint = await seal(1);
    await checkpoint.commit(5, 3);
    await checkpoint.commit(5);
    expect(await written()).toMatchObject({ epoch: 1, sequence: 5, delivered: 3 });
    await seal(2);
    expect(await written()).not.toHaveProperty("delivered");
  });

  test.each([1, 2])("sealed by epoch 2 is not sealed by epoch %d any more", async (epoch) => {
    await seal(2);
    await expect(seal(epoch)).rejects.toMatchObject({ code: "FENCED" });
  });

  test("remembers since when durables may be left, through claims that came to nothing", async () => {
    expect((await seal(1)).since).toBeUndefined();
    expect((await seal(2)).since).toBe(1);
    const third = await seal(3);
    expect(third.since).toBe(1);
    await third.commit(5);
    const fourth = await seal(4);
    expect(fourth.since).toBe(1);
    fourth.tidied();
    await fourth.commit(6);
    expect((await seal(5)).since).toBe(4);
  });

  test("remembers of which epochs durables may come into being late, of the last sixteen at most", async () => {
    expect((await seal(1)).lateSince).toBeUndefined();
    const second = await seal(2);
    second.tidied();
    await second.commit(5);
    expect((await seal(3)).lateSince).toBe(1);
    const later = await seal(20);
    expect(later.lateSince).toBe(4);
    later.tidiedAgain();
    await later.commit(6);
    expect((await seal(21)).lateSince).toBe(20);
  });

  test("leaves the troubles of the earliest hundred messages to the next owner, and none of handled ones", async () => {
    const first = await seal(1);
    for (let sequence = 300; sequence > 0; sequence--) {
      first.troubles.set(sequence, { failures: sequence, error: "broken" });
    }
    await first.commit(50);
    const { troubles } = await seal(2);
    expect([...troubles.keys()]).toEqual(Array.from({ length: 100 }, (_, i) => 51 + i));
    expect(troubles.get(51)).toEqual({ failures: 51, error: "broken" });
  });

  test.each([
    ["that was made anew", { ...STREAM, created: "2026-02-02T00:00:00Z" }],
    ["that was set back", { ...STREAM, lastSequence: 20 }],
  ])(
    "leaves no troubles to the owner on a stream %s: its sequences are other messages",
    async (...args) => {
      const [, stream] = args;
      const first = await seal(1);
      first.troubles.set(60, { failures: 9, error: "broken" });
      await first.commit(50);
      expect((await seal(2, stream)).troubles.size).toBe(0);
    },
  );

  test("leaves its troubles to the next owner also when it commits nothing more", async () => {
    const first = await seal(1);
    first.troubles.set(7, { failures: 1, error: "broken", stalled: true });
    await first.commit(5);
    await seal(2);
    expect((await seal(3)).troubles.get(7)).toEqual({
      failures: 1,
      error: "broken",
      stalled: true,
    });
  });
});
