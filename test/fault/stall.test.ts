import { expect, test } from "vitest";
import type { EachMessage } from "../../src/consumer/handlers.ts";
import type { ConsumerEvents } from "../../src/events.ts";
import { partitionOf } from "../../src/partition/partitioner.ts";
import { eventually, member, publish } from "../support/group.ts";
import { describeOnEachServer } from "../support/servers.ts";

type Stalled = ConsumerEvents["partition:stalled"][0];
type Lost = ConsumerEvents["partition:lost"][0];

describeOnEachServer("a handler that hangs", ({ start }) => {
  /** Handles everything but "hang", which it hangs on until it is aborted, if it heeds that. */
  const hanging = (handled: string[], { heeds = true } = {}): EachMessage => {
    return async (message, { signal }) => {
      if (message.string() !== "hang") return void handled.push(message.string());
      await new Promise((_resolve, reject) => {
        if (heeds) signal.addEventListener("abort", () => reject(signal.reason as Error));
      });
    };
  };

  test("raises the alarm, is aborted, and its partition goes to another member, which handles the rest", async () => {
    const { url } = await start();
    const options = { partitions: 2, stall: { afterMs: 300 } };
    const sick = member(url, { ...options, memberId: "sick" });
    const [stalled, lost]: [Stalled[], Lost[]] = [[], []];
    sick.on("partition:stalled", (what) => stalled.push(what));
    sick.on("partition:lost", (what) => lost.push(what));
    const handled: string[] = [];
    await sick.run({ eachMessage: hanging(handled) });
    const well = member(url, { ...options, memberId: "well" });
    await well.run({ eachMessage: (message) => void handled.push(`well ${message.string()}`) });
    await eventually("each has one", () => well.assignment.length === 1);
    // Whichever partition the key is in, it is to be the sick one's.
    const [mine] = sick.assignment;
    const key = ["a", "b", "c", "d", "e"].find((name) => partitionOf(name, 2) === mine) ?? "";
    await publish(
      url,
      [
        { key, data: "first" },
        { key, data: "hang" },
        { key, data: "last" },
      ],
      2,
    );
    await eventually("the other member handles the rest", () => handled.includes("well last"));
    expect(handled).toEqual(["first", "well hang", "well last"]);
    expect(stalled).toEqual([
      { partition: mine, epoch: 1, sequence: 2, stalledMs: expect.any(Number) },
    ]);
    expect(stalled[0]?.stalledMs).toBeGreaterThanOrEqual(300);
    expect(lost).toMatchObject([{ partition: mine, reason: "stalled" }]);
    // The group is balanced again, and the partition stays where it got on.
    await eventually("each has one again", () => sick.assignment.length === 1);
    expect(well.assignment).toEqual([mine]);
  });

  test("is set aside when it hangs at the second member, too, and what is behind it goes on", async () => {
    const { url } = await start();
    const poison = { policy: "dead-letter", maxAttempts: 9 } as const;
    const options = { partitions: 1, stall: { afterMs: 200 }, poison };
    await publish(
      url,
      ["hang", "next"].map((data) => ({ key: "k", data })),
      1,
    );
    const [handled, aside]: [string[], unknown[]] = [[], []];
    const members = ["a", "b"].map((memberId) => member(url, { ...options, memberId }));
    for (const each of members) {
      each.on("message:dead-lettered", (what) => aside.push(what));
      await each.run({ eachMessage: hanging(handled) });
    }
    await eventually("what is behind it is handled", () => handled.length > 0);
    expect(handled).toEqual(["next"]);
    expect(aside).toMatchObject([{ sequence: 1, reason: "stalled", attempts: 2 }]);
  });

  test("only raises the alarm, again and again, where there is no other member", async () => {
    const { url } = await start();
    const consumer = member(url, { partitions: 1, stall: { afterMs: 100 } });
    const stalled: Stalled[] = [];
    consumer.on("partition:stalled", (what) => stalled.push(what));
    await publish(url, [{ key: "k", data: "hang" }], 1);
    await consumer.run({ eachMessage: hanging([]) });
    await eventually("it is told three times", () => stalled.length >= 3);
    expect(new Set(stalled.map(({ epoch, sequence }) => `${epoch} ${sequence}`))).toEqual(
      new Set(["1 1"]),
    );
    expect(consumer.assignment).toEqual([0]);
  });

  test.each([true, false])(
    "is set aside at its second stall where there is no other member, and what is behind it goes on (heeds the signal: %s)",
    async (heeds) => {
      const { url } = await start();
      const handled: string[] = [];
      const consumer = member(url, {
        partitions: 1,
        poison: { policy: "dead-letter" },
        stall: { afterMs: 150 },
        drainTimeoutMs: 150,
      });
      const aside: unknown[] = [];
      consumer.on("message:dead-lettered", (what) => aside.push(what));
      await publish(
        url,
        ["first", "hang", "next"].map((data) => ({ key: "k", data })),
        1,
      );
      await consumer.run({ eachMessage: hanging(handled, { heeds }) });
      await eventually("what is behind it is handled", () => handled.length === 2);
      expect(handled).toEqual(["first", "next"]);
      expect(aside).toMatchObject([{ sequence: 2, reason: "stalled", attempts: 2 }]);
      await consumer.drain();
      expect(await consumer.closed()).toBeUndefined();
    },
  );

  test("in a batch is found among its messages, and set aside alone", async () => {
    const { url } = await start();
    const names = Array.from({ length: 20 }, (_, i) => (i === 13 ? "hang" : `m${i}`));
    await publish(
      url,
      names.map((data) => ({ key: "k", data })),
      1,
    );
    const consumer = member(url, {
      partitions: 1,
      poison: { policy: "dead-letter" },
      stall: { afterMs: 150 },
      drainTimeoutMs: 50,
    });
    const [handled, aside]: [string[], unknown[]] = [[], []];
    consumer.on("message:dead-lettered", (what) => aside.push(what));
    await consumer.run({
      eachBatch: async ({ messages }, { signal }) => {
        const texts = messages.map((message) => message.string());
        if (!texts.includes("hang")) return void handled.push(...texts);
        await new Promise((_resolve, reject) => {
          signal.addEventListener("abort", () => reject(signal.reason as Error));
        });
      },
    });
    await eventually("all others are handled", () => handled.length === 19);
    expect(handled).toEqual(names.filter((name) => name !== "hang"));
    expect(aside).toMatchObject([{ sequence: 14, reason: "stalled" }]);
  });

  test("that returns after its message was set aside changes nothing any more", async () => {
    const { url } = await start();
    await publish(
      url,
      ["hang", "next"].map((data) => ({ key: "k", data })),
      1,
    );
    const consumer = member(url, {
      partitions: 1,
      poison: { policy: "dead-letter" },
      stall: { afterMs: 150 },
      drainTimeoutMs: 50,
    });
    const [calls, aside]: [string[], unknown[]] = [[], []];
    consumer.on("message:dead-lettered", (what) => aside.push(what));
    let goOn = (): void => {};
    const held = new Promise<void>((resolve) => (goOn = resolve));
    await consumer.run({
      eachMessage: async (message) => {
        calls.push(message.string());
        if (message.string() === "hang") await held;
      },
    });
    await eventually("what is behind it is handled", () => calls.includes("next"));
    goOn();
    await consumer.drain();
    expect(calls).toEqual(["hang", "next"]);
    expect(aside).toHaveLength(1);
    expect(consumer.errors).toEqual([]);
  });

  test("is not waited for with a drainTimeoutMs of 0: what is handled is committed, and nothing more", async () => {
    const { url } = await start();
    await publish(
      url,
      ["done", "hang", "next"].map((data) => ({ key: "k", data })),
      1,
    );
    const handled: string[] = [];
    const first = member(url, { partitions: 1, drainTimeoutMs: 0, commit: { intervalMs: 60_000 } });
    await first.run({ eachMessage: hanging(handled) });
    await eventually("one is handled", () => handled.length === 1);
    await first.drain();
    const second = member(url, { partitions: 1, drainTimeoutMs: 0 });
    await second.run({ eachMessage: (message) => void handled.push(`then ${message.string()}`) });
    await eventually("the rest is handled", () => handled.length === 3);
    expect(handled).toEqual(["done", "then hang", "then next"]);
    await second.drain();
    expect([first.errors, second.errors]).toEqual([[], []]);
  });

  test.each([true, false])(
    "is aborted when a hand-over has waited for drainTimeoutMs, and the partition is handed over (heeds the signal: %s)",
    async (heeds) => {
      const { url } = await start();
      await publish(
        url,
        ["done", "hang", "next"].map((data) => ({ key: "k", data })),
        1,
      );
      const handled: string[] = [];
      const first = member(url, { partitions: 1, memberId: "first", drainTimeoutMs: 300 });
      const lost: Lost[] = [];
      first.on("partition:lost", (what) => lost.push(what));
      await first.run({ eachMessage: hanging(handled, { heeds }) });
      await eventually("one is handled", () => handled.length === 1);
      const second = member(url, { partitions: 1, memberId: "second" });
      await second.run({ eachMessage: (message) => void handled.push(`then ${message.string()}`) });
      await first.drain();
      await eventually("the rest is handled", () => handled.length === 3);
      expect(handled).toEqual(["done", "then hang", "then next"]);
      expect(lost).toMatchObject([{ partition: 0, epoch: 1, reason: "drain-timeout" }]);
      expect(first.errors).toEqual([]);
    },
  );
});
