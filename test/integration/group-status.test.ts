/** What is told of a group. Its members ack nothing: the checkpoints say how far they are. */
import { RetentionPolicy } from "@nats-io/jetstream";
import { expect, test } from "vitest";
import { openBucket } from "../../src/lease/kv-store.ts";
import { ABSENT } from "../../src/lease/store.ts";
import { describeGroup, type GroupStatus } from "../../src/partition/group-status.ts";
import { leasesBucket } from "../../src/partition/names.ts";
import {
  eventually,
  GROUP,
  link,
  member,
  numbered,
  publish,
  STREAM,
  SUBJECT,
} from "../support/group.ts";
import { describeOnEachServer } from "../support/servers.ts";

async function describe(servers: string, sampleMs = 0): Promise<GroupStatus["totals"]> {
  return (await describeGroup({ servers, stream: STREAM, group: GROUP, sampleMs })).totals;
}

describeOnEachServer("the lag of a group", ({ start }) => {
  test("counts what is under way, no less once its owner is gone, and what is handled no more", async () => {
    const { url } = await start();
    const published = await publish(url, numbered(50), 4);
    let waiting = 0;
    const stuck = member(url, { drainTimeoutMs: 0, commit: { intervalMs: 5 } });
    await stuck.run({
      eachMessage: async (_message, { signal }) => {
        if (waiting++ < 10) return;
        await new Promise((resolve) => signal.addEventListener("abort", resolve));
      },
    });
    await eventually("ten are handled", async () => (await describe(url)).lag === 40);
    await stuck.drain();
    expect((await describe(url)).lag).toBe(40);
    let handled = 0;
    await member(url, { commit: { intervalMs: 5 } }).run({ eachMessage: () => void handled++ });
    await eventually("all are committed", async () => (await describe(url)).lag === 0);
    expect(handled).toBe(published.length - 10);
  });
});

describeOnEachServer("the lag of a partition", ({ start }) => {
  test("is nothing once all is handled, although the next owner got some of it again", async () => {
    const { url } = await start();
    await publish(url, numbered(40), 2);
    const first = member(url, { memberId: "first", partitions: 2 });
    let [byFirst, bySecond] = [0, 0];
    let goOn = (): void => {};
    const held = new Promise<void>((resolve) => (goOn = resolve));
    await first.run({
      eachMessage: async () => {
        byFirst++;
        await held;
      },
    });
    await eventually("each partition is at its first message", () => byFirst === 2);
    const second = member(url, { memberId: "second", partitions: 2 });
    await second.run({ eachMessage: () => void bySecond++ });
    const { manager } = await link(url);
    const durable = async () => {
      const all = await manager.consumers.list(STREAM).next();
      return all.find(({ name }) => name.endsWith("-e2"));
    };
    // It is made ahead, and begins at what is handled: at nothing.
    await eventually("the next owner's is made", async () => (await durable()) !== undefined);
    goOn();
    await eventually("all are handled", () => byFirst + bySecond === 40);
    expect((await durable())?.delivered.consumer_seq).toBe(bySecond + 1);
    await first.drain();
    await eventually("all is committed", async () => (await describe(url)).lag === 0);
    expect(byFirst + bySecond).toBe(40);
  });

  test.each([
    ["has left", "drain"],
    ["is dead", "close"],
  ] as const)(
    "is nothing when what was under way of a member that %s has been purged",
    async (_, end) => {
      const { url } = await start();
      await publish(url, numbered(40), 4);
      const stuck = member(url, { drainTimeoutMs: 0, commit: { intervalMs: 5 } });
      let handled = 0;
      await stuck.run({
        eachMessage: async (_message, { signal }) => {
          if (handled++ < 10) return;
          await new Promise((resolve) => signal.addEventListener("abort", resolve));
        },
      });
      await eventually("ten are committed", async () => (await describe(url)).lag === 30);
      await stuck[end]();
      const { manager } = await link(url);
      await manager.streams.purge(STREAM, { filter: `${SUBJECT}.p.*` });
      await eventually("nothing is left", async () => (await describe(url)).lag === 0);
    },
  );

  test("of a work queue is what is left in it, also when some came twice, and with no durable", async () => {
    const { url } = await start();
    const connection = await link(url);
    const { manager } = connection;
    const retention = RetentionPolicy.Workqueue;
    const config = { name: STREAM, subjects: [`${SUBJECT}.p.*`], retention };
    const { created } = await manager.streams.add(config);
    await publish(url, numbered(10), 1);
    const consumer = member(url, { partitions: 1, commit: { intervalMs: 5 } });
    // As an owner leaves it that died between its commit and its acks.
    const leases = await openBucket(connection, leasesBucket(STREAM, GROUP), { replicas: 1 });
    await leases.write("lease.0", { epoch: 1 }, ABSENT);
    await leases.write("checkpoint.0", { epoch: 1, sequence: 6, created }, ABSENT);
    let handled = 0;
    await consumer.run({ eachMessage: () => void handled++ });
    await eventually("the rest is handled", () => handled === 4);
    await eventually("nothing is left", async () => (await describe(url)).lag === 0);
    await consumer.drain();
    await publish(url, numbered(3), 1);
    expect((await describe(url)).lag).toBe(3);
    await manager.consumers.delete(STREAM, `${GROUP}-p0-e2`);
    expect((await describe(url)).lag).toBe(3);
  });
});

describeOnEachServer("the rates of a group", ({ start }) => {
  test.each([
    ["that goes along", true],
    ["that hangs", false],
  ])("tell what comes in, and what is handled by one %s", async (_, goes) => {
    const { url } = await start();
    await publish(url, []);
    const consumer = member(url, { commit: { intervalMs: 5 } });
    await consumer.run({
      eachMessage: async (_message, { signal }) => {
        if (goes) return;
        await new Promise((resolve) => signal.addEventListener("abort", resolve));
      },
    });
    await eventually("it has all partitions", () => consumer.assignment.length === 4);
    let told: GroupStatus["totals"] | undefined;
    const telling = describe(url, 1_000).then((totals) => (told = totals));
    while (told === undefined) await publish(url, numbered(10));
    const { rateIn, rateOut } = await telling;
    expect([rateIn > 0, rateOut > 0]).toEqual([true, goes]);
  });
});
