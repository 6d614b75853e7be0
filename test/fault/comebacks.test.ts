/** What comes back to a member: a partition that it had lost, the server after a cut. */
import { once } from "node:events";
import { expect, test } from "vitest";
import { findBucket } from "../../src/lease/kv-store.ts";
import { checkpointKey, leaseKey } from "../../src/lease/records.ts";
import { leasesBucket, membersBucket } from "../../src/partition/names.ts";
import { partitionOf } from "../../src/partition/partitioner.ts";
import {
  closeAfterTest,
  eventually,
  GROUP,
  link,
  member,
  publish,
  STREAM,
} from "../support/group.ts";
import { startProxy } from "../support/proxy.ts";
import { describeOnEachServer } from "../support/servers.ts";

/** So long that nothing here can come of its expiring. */
const session = { ttlMs: 60_000 };
const BUCKET = leasesBucket(STREAM, GROUP);

describeOnEachServer("a member", ({ start }) => {
  test("starts a partition that comes back only when the handler of the epoch before has returned", async () => {
    const { url } = await start();
    const keys = [0, 1].map(
      (partition) =>
        ["a", "b", "c", "d", "e"].find((key) => partitionOf(key, 2) === partition) ?? "",
    );
    await publish(
      url,
      keys.map((key) => ({ key, data: "" })),
      2,
    );
    let finish = (): void => {};
    const held = new Promise<void>((resolve) => (finish = resolve));
    const calls: string[] = [];
    const claimed: string[] = [];
    let [running, most] = [0, 0];
    const consumer = member(url, { partitions: 2, session });
    consumer.on("partition:claimed", ({ partition, epoch }) => {
      claimed.push(`${partition} in epoch ${epoch}`);
    });
    await consumer.run({
      eachMessage: async ({ partition }, { epoch }) => {
        calls.push(`${partition} in epoch ${epoch}`);
        if (partition !== 0) return;
        most = Math.max(most, ++running);
        if (epoch === 1) await held;
        running--;
      },
    });
    await eventually("both partitions are being handled", () => calls.length === 2);

    // As if another had taken them and was gone, first the one whose handler is under way.
    const leases = await findBucket(await link(url), BUCKET);
    for (const partition of [0, 1]) {
      const lease = await leases?.get(leaseKey(partition));
      const taken = { epoch: 2, owner: "stranger", incarnation: "gone" };
      await leases?.write(leaseKey(partition), taken, lease?.revision ?? 0);
      await eventually(`partition ${partition} is claimed back`, async () => {
        const sealed = (await leases?.get(checkpointKey(partition)))?.value as { epoch: number };
        return sealed.epoch === 3;
      });
    }
    // What waits for nothing comes first, although it was claimed last.
    await eventually("the other partition is back", () => claimed.includes("1 in epoch 3"));
    expect(claimed.sort()).toEqual(["0 in epoch 1", "1 in epoch 1", "1 in epoch 3"]);
    expect(calls).not.toContain("0 in epoch 3");
    finish();
    await eventually("its message is handled again", () => calls.includes("0 in epoch 3"));
    expect(most).toBe(1);
  });

  test("acts after a reconnect on what its watch has missed: the server had forgotten it", async () => {
    const server = await start();
    const proxy = await startProxy(server.port);
    closeAfterTest(() => proxy.close());
    const disconnected = member(proxy.url, { memberId: "disconnected", session });
    const balanced = once(disconnected, "rebalance");
    await disconnected.run({ eachMessage: () => {} });
    await balanced;
    expect(disconnected.assignment).toHaveLength(4);
    const { manager } = await link(server.url);
    const watches = await manager.consumers.list(`KV_${BUCKET}`).next();
    expect(watches).toHaveLength(1);
    for (const { name } of watches) await manager.consumers.delete(`KV_${BUCKET}`, name);
    const newcomer = member(server.url, { memberId: "newcomer", session });
    const met: string[] = [];
    disconnected.on("member:joined", ({ memberId }) => met.push(memberId));
    await newcomer.run({ eachMessage: () => {} });
    expect(met).toEqual([]);

    proxy.cut();
    proxy.heal();
    // The client's own watchdog would open the watch anew, but not before 10 s without a heartbeat.
    await eventually("the newcomer has its share", () => newcomer.assignment.length === 2, 8_000);
    expect(met).toEqual(["newcomer"]);
    // What it kept was taken anew, too.
    await eventually("they share", () => disconnected.assignment.length === 2);
  });

  test("tells at once that its connection broke, and with which server", async () => {
    const server = await start();
    const proxy = await startProxy(server.port);
    closeAfterTest(() => proxy.close());
    const disconnected = member(proxy.url, { partitions: 1, session, ensureStream: true });
    await disconnected.run({ eachMessage: () => {} });
    proxy.cut();
    await eventually("it is told", () => disconnected.errors.length > 0);
    expect(disconnected.errors[0]).toMatchObject({ code: "CONNECTION_LOST", retriable: true });
    expect(disconnected.errors[0]?.message).toContain(`at ${new URL(proxy.url).host} broke`);
    proxy.heal();
    await eventually("it owns the partition anew", () => disconnected.assignment.length === 1);
  });

  test("that loses its session while it drains is out, and does not come back", async () => {
    const { url } = await start();
    let finish = (): void => {};
    const held = new Promise<void>((resolve) => (finish = resolve));
    const calls: number[] = [];
    const leaving = member(url, { memberId: "leaving", partitions: 1 });
    const lost: string[] = [];
    leaving.on("partition:lost", ({ reason }) => lost.push(reason));
    await leaving.run({
      eachMessage: async ({ sequence }) => {
        calls.push(sequence);
        await held;
      },
    });
    await publish(url, [{ key: "k", data: "" }], 1);
    await eventually("a handler is under way", () => calls.length === 1);
    const drained = leaving.drain();
    const sessions = await findBucket(await link(url), membersBucket(STREAM, GROUP));
    await sessions?.delete("leaving", (await sessions.get("leaving"))?.revision ?? 0);
    await drained;
    expect([leaving.state, await leaving.closed()]).toEqual(["closed", undefined]);
    expect([lost, leaving.errors]).toEqual([
      ["session-lost"],
      [expect.objectContaining({ code: "SESSION_LOST" })],
    ]);
    finish();
  });
});
