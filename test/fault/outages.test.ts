import { expect, test } from "vitest";
import { openBucket } from "../../src/lease/kv-store.ts";
import { judge } from "../../src/record/oracle.ts";
import {
  closeAfterTest,
  eventually,
  GROUP,
  link,
  member,
  numbered,
  publish,
  Records,
  STREAM,
} from "../support/group.ts";
import { startProxy } from "../support/proxy.ts";
import { describeOnEachServer } from "../support/servers.ts";

const code = (value: string): unknown => expect.objectContaining({ code: value });

describeOnEachServer("a group", ({ start }) => {
  test("goes on after its server was killed and restarted: nothing lost, order kept", async () => {
    const server = await start();
    const records = new Records();
    const members = ["a", "b"].map((memberId) => member(server.url, { memberId }));
    for (const [i, each] of members.entries()) {
      await each.run({ eachMessage: records.handler(`m-${i}`) });
    }
    const published = await publish(server.url, numbered(3_000));
    await eventually("the first are handled", () => records.count > 500);
    await server.restart();
    published.push(...(await publish(server.url, numbered(3_000))));
    await eventually("all are handled", () => records.count === published.length, 25_000);
    expect(judge(published, records.all)).toMatchObject({
      lost: 0,
      outOfOrder: 0,
      sharedEpochs: 0,
      staleEpochs: 0,
    });
  });

  test("takes over from a member that is disconnected, which stops before its partitions can be taken", async () => {
    const server = await start();
    const proxy = await startProxy(server.port);
    closeAfterTest(() => proxy.close());
    const records = new Records();
    const disconnected = member(proxy.url, { memberId: "disconnected" });
    await disconnected.run({ eachMessage: records.handler("disconnected") });
    const healthy = member(server.url, { memberId: "healthy" });
    await healthy.run({ eachMessage: records.handler("healthy") });
    await eventually("they share", () => healthy.assignment.length === 2);
    const published = await publish(server.url, numbered(400));
    await eventually("all are handled", () => records.count === 400);

    const lost: string[] = [];
    const aborted: number[] = [];
    disconnected.on("partition:lost", ({ reason }) => {
      lost.push(reason);
      aborted.push(Date.now());
    });
    proxy.blackhole();
    published.push(...(await publish(server.url, numbered(400))));
    await eventually("the other owns all", () => healthy.assignment.length === 4);
    const takenAt = Date.now();
    expect(lost).toEqual(["session-lost", "session-lost"]);
    expect(Math.max(...aborted)).toBeLessThan(takenAt);
    await eventually("all are handled", () => records.count === 800);

    proxy.heal();
    await eventually("it is back", () => disconnected.assignment.length === 2, 25_000);
    published.push(...(await publish(server.url, numbered(400))));
    await eventually("all are handled", () => records.count === 1_200);
    expect(judge(published, records.all)).toMatchObject({
      lost: 0,
      outOfOrder: 0,
      sharedEpochs: 0,
      staleEpochs: 0,
    });
  });

  test("commits nothing and starts nothing for a member that woke up after a take-over, and tells its handler", async () => {
    const server = await start();
    const proxy = await startProxy(server.port);
    closeAfterTest(() => proxy.close());
    const sleeper = member(proxy.url, { memberId: "sleeper", partitions: 1 });
    let wake = (): void => {};
    const asleep = new Promise<void>((resolve) => (wake = resolve));
    const calls: string[] = [];
    let told: unknown;
    await sleeper.run({
      eachMessage: async (message, { signal, epoch }) => {
        calls.push(`sleeper ${message.string()} in epoch ${epoch}`);
        if (epoch > 1) return;
        await asleep;
        told = signal.reason;
      },
    });
    await publish(server.url, numbered(3), 1);
    await eventually("it handles one", () => calls.length === 1);
    proxy.blackhole();
    const heir = member(server.url, { memberId: "heir", partitions: 1 });
    await heir.run({
      eachMessage: (message, { epoch }) => {
        calls.push(`heir ${message.string()} in epoch ${epoch}`);
      },
    });
    await eventually("the other has handled all", () => calls.length === 4);
    proxy.heal();
    wake();
    await eventually("it is back in the group", () => sleeper.state === "running", 25_000);
    expect(told).toEqual(code("SESSION_LOST"));
    expect(calls).toEqual([
      "sleeper 0 in epoch 1",
      "heir 0 in epoch 2",
      "heir 1 in epoch 2",
      "heir 2 in epoch 2",
    ]);
  });

  test("starts no handler of the old epoch after a handler has blocked the event loop beyond the TTL", async () => {
    const { url } = await start();
    const published = await publish(url, numbered(10), 1);
    const records = new Records();
    const consumer = member(url, { memberId: "blocked", partitions: 1 });
    const record = records.handler("blocked");
    await consumer.run({
      eachMessage: (message, context) => {
        // Not asleep: busy, so that no timer can fire.
        const busyMs = records.all.length === 0 ? 1_500 : 0;
        for (const until = performance.now() + busyMs; performance.now() < until; );
        return record(message, context);
      },
    });
    await eventually("all are handled", () => records.count === published.length);
    const inFirstEpoch = records.all.filter(({ epoch }) => epoch === 1);
    expect(inFirstEpoch).toHaveLength(1);
    // It was handled and could not be committed: once more, in the next epoch.
    expect(judge(published, records.all)).toMatchObject({ lost: 0, duplicated: 1, outOfOrder: 0 });
    expect(consumer.errors).toEqual([code("SESSION_LOST")]);
  });

  test("loses a partition that another owner took, and says that it was fenced", async () => {
    const { url } = await start();
    const consumer = member(url, { memberId: "replaced", partitions: 1 });
    const lost: unknown[] = [];
    consumer.on("partition:lost", ({ partition, epoch, reason }) => {
      lost.push({ partition, epoch, reason });
    });
    await consumer.run({ eachMessage: () => {} });
    await eventually("it owns all", () => consumer.assignment.length === 1);
    const store = await openBucket(await link(url), "docktor_EVENTS_WORKERS_leases", {
      replicas: 1,
    });
    const entry = await store.get("lease.0");
    const stranger = { epoch: 2, owner: "stranger", incarnation: "gone" };
    await store.write("lease.0", stranger, entry?.revision ?? 0);
    await eventually("it noticed", () => lost.length > 0);
    expect(lost).toEqual([{ partition: 0, epoch: 1, reason: "fenced" }]);
    // The stranger is not in the roster, so the partition is an orphan: taken under the next epoch.
    await eventually("it owns all", () => consumer.assignment.length === 1);
    await eventually("epoch 3 is sealed", async () => {
      const sealed = await store.get("checkpoint.0");
      return (sealed?.value as { epoch?: number } | undefined)?.epoch === 3;
    });
  });

  test("takes a partition anew when its checkpoint was removed", async () => {
    const { url } = await start();
    const records = new Records();
    const consumer = member(url, { memberId: "m", partitions: 1 });
    const lost: string[] = [];
    consumer.on("partition:lost", ({ reason }) => lost.push(reason));
    await consumer.run({ eachMessage: records.handler("m") });
    await publish(url, numbered(10), 1);
    await eventually("all are handled", () => records.count === 10);
    const { manager } = await link(url);
    await manager.streams.purge("KV_docktor_EVENTS_WORKERS_leases", {
      filter: "$KV.docktor_EVENTS_WORKERS_leases.checkpoint.0",
    });
    await publish(url, numbered(10), 1);
    await eventually("all are handled in another epoch", () => {
      const again = records.all.filter(({ epoch }) => epoch > 1);
      return new Set(again.map(({ sequence }) => sequence)).size === 20;
    });
    expect(lost).toEqual(["fenced"]);
  });

  test("begins at the first message again when its buckets were deleted, whatever durables are left", async () => {
    const { url } = await start();
    await publish(url, numbered(50), 1);
    for (const memberId of ["before", "after"]) {
      const records = new Records();
      const consumer = member(url, { memberId, partitions: 1 });
      await consumer.run({ eachMessage: records.handler(memberId) });
      await eventually("all are handled", () => records.count === 50);
      await consumer.drain();
      const { manager } = await link(url);
      await manager.streams.delete("KV_docktor_EVENTS_WORKERS_leases");
    }
  });

  test("ends with one clear error when its stream is deleted", async () => {
    const { url } = await start();
    const consumer = member(url);
    await consumer.run({ eachMessage: () => {} });
    await eventually("it owns all", () => consumer.assignment.length === 4);
    const { manager } = await link(url);
    await manager.streams.delete(STREAM);
    expect(await consumer.closed()).toEqual(code("STREAM_NOT_FOUND"));
    expect(consumer.state).toBe("failed");
    expect(consumer.errors).toEqual([code("STREAM_NOT_FOUND")]);
  });

  test("ends with one clear error when its bucket is deleted", async () => {
    const { url } = await start();
    const consumer = member(url);
    await consumer.run({ eachMessage: () => {} });
    await eventually("it owns all", () => consumer.assignment.length === 4);
    const { manager } = await link(url);
    await manager.streams.delete("KV_docktor_EVENTS_WORKERS_leases");
    await publish(url, numbered(10));
    expect(await consumer.closed()).toEqual(code("STREAM_NOT_FOUND"));
    expect(consumer.errors.at(-1)?.message).toContain(
      "bucket docktor_EVENTS_WORKERS_leases was deleted",
    );
  });

  test("starts at the first message of a stream that was made anew, and says what is gone", async () => {
    const { url } = await start();
    await publish(url, numbered(50));
    const records = new Records();
    const before = member(url, { memberId: "before" });
    await before.run({ eachMessage: records.handler("before") });
    await eventually("all are handled", () => records.count === 50);
    await before.drain();
    const { manager } = await link(url);
    await manager.streams.delete(STREAM);
    await publish(url, numbered(20));
    const again = new Records();
    const after = member(url, { memberId: "after" });
    await after.run({ eachMessage: again.handler("after") });
    await eventually("all are handled", () => again.count === 20);
    expect(after.errors).toEqual(Array.from({ length: 4 }, () => code("MESSAGES_MISSING")));
  });

  test("takes a partition anew when someone deletes its durable", async () => {
    const { url } = await start();
    const records = new Records();
    const consumer = member(url, { partitions: 1 });
    await consumer.run({ eachMessage: records.handler("m") });
    const published = await publish(url, numbered(100), 1);
    await eventually("all are handled", () => records.count === 100);
    const { manager } = await link(url);
    await manager.consumers.delete(STREAM, `${GROUP}-p0-e1`);
    published.push(...(await publish(url, numbered(100), 1)));
    await eventually("all are handled", () => records.count === 200);
    expect(judge(published, records.all)).toMatchObject({ lost: 0, duplicated: 0, outOfOrder: 0 });
    expect(records.all.at(-1)?.epoch).toBe(2);
  });
});
