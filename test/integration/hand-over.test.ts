/** How a member hands its partitions over, and what it leaves behind. */
import { once } from "node:events";
import { setTimeout as sleep } from "node:timers/promises";
import PQueue from "p-queue";
import { expect, test } from "vitest";
import { createDurable } from "../../src/consumer/delivery/durable.ts";
import { findBucket, type KvStore } from "../../src/lease/kv-store.ts";
import { checkpointKey, leaseKey, type LeaseRecord, ROSTER_KEY } from "../../src/lease/records.ts";
import { changeRoster, withMember } from "../../src/lease/roster.ts";
import { findConsumer } from "../../src/nats/consumer.ts";
import { durableName, leasesBucket, membersBucket } from "../../src/partition/names.ts";
import { partitionOf } from "../../src/partition/partitioner.ts";
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
  SUBJECT,
} from "../support/group.ts";
import { startProxy } from "../support/proxy.ts";
import { describeOnEachServer } from "../support/servers.ts";

const identity = { stream: STREAM, subject: SUBJECT, group: GROUP };
/** So long that nothing here can come of its expiring. */
const session = { ttlMs: 60_000 };

async function bucket(url: string, name: string): Promise<KvStore> {
  const found = await findBucket(await link(url), name);
  return found ?? expect.fail(`there is no bucket ${name}`);
}

/** Lets a member into the roster that never comes for its partitions. */
async function letIn(leases: KvStore, memberId: string): Promise<void> {
  const entry = { incarnation: "a life", state: "active" as const, startedAt: 0 };
  await changeRoster(leases, identity, (roster) => roster && withMember(roster, memberId, entry));
}

/** Keys of that partition. */
const keysOf = (partition: number, partitions: number): string[] =>
  Array.from({ length: 50 }, (_, i) => `key-${i}`).filter(
    (key) => partitionOf(key, partitions) === partition,
  );

function gate(): { passed: Promise<void>; open: () => void } {
  let open = (): void => {};
  const passed = new Promise<void>((resolve) => (open = resolve));
  return { passed, open };
}

/** A server's time, so that it can be compared as text. */
const comparable = (time: string): string =>
  time.replace(/(?:\.(\d+))?Z$/, (_, fraction = "") => `.${String(fraction).padEnd(9, "0")}Z`);

describeOnEachServer("a hand-over", ({ start }) => {
  test("makes the next epoch's durable, from what is handled though not committed yet, before the release that says so", async () => {
    const { url } = await start();
    const { manager } = await link(url);
    const published = await publish(url, numbered(40), 2);
    const records = new Records();
    const commit = { intervalMs: 60_000 };
    const owner = member(url, { memberId: "owner", partitions: 2, session, commit });
    await owner.run({ eachMessage: records.handler("owner") });
    await eventually("all are handled", () => records.count === published.length);
    const leases = await bucket(url, leasesBucket(STREAM, GROUP));
    const released = once(owner, "partition:released");
    await letIn(leases, "newcomer");
    expect(await released).toMatchObject([{ partition: 1, epoch: 1, next: "newcomer" }]);

    const name = leasesBucket(STREAM, GROUP);
    const release = await manager.streams.getMessage(`KV_${name}`, {
      last_by_subj: `$KV.${name}.${leaseKey(1)}`,
    });
    const durable = await manager.consumers.info(STREAM, `${GROUP}-p1-e2`);
    expect(durable.config.ack_policy).toBe("none");
    expect(release?.json()).toEqual({ epoch: 1, next: "newcomer", prepared: "no-acks" });
    const releasedAt = comparable(release?.timestamp ?? "");
    expect(comparable(durable.created) < releasedAt).toBe(true);
    const committed = (await leases.get(checkpointKey(1)))?.value as { sequence: number };
    expect(committed.sequence).toBeGreaterThan(0);
    expect(durable.config).toMatchObject({ filter_subject: `${SUBJECT}.p.1` });
    expect(durable.config.opt_start_seq).toBe(committed.sequence + 1);
    expect(durable.delivered.consumer_seq).toBe(0);
  });

  test("does not vouch for a durable that was used before, as one that was left over", async () => {
    const { url } = await start();
    const connection = await link(url);
    const handling = gate();
    let called = false;
    const owner = member(url, { memberId: "owner", partitions: 2, session });
    await owner.run({
      eachMessage: async () => {
        called = true;
        await handling.passed;
      },
    });
    await publish(url, [{ key: keysOf(1, 2)[0] ?? "", data: "" }], 2);
    await eventually("it is being handled", () => called);
    const { name } = await createDurable({
      ...identity,
      link: connection,
      workQueue: false,
      partition: 1,
      epoch: 2,
      after: 0,
      maxAckPending: 1_024,
      creations: new PQueue(),
    });
    const used = await connection.jetstream.consumers.get(STREAM, name);
    expect((await used.next())?.seq).toBe(1);
    const leases = await bucket(url, leasesBucket(STREAM, GROUP));
    const released = once(owner, "partition:released");
    await letIn(leases, "newcomer");
    handling.open();
    await released;
    expect((await leases.get(leaseKey(1)))?.value).toEqual({ epoch: 1, next: "newcomer" });
  });

  test("of a member that drains the moment it is in the group, its claims under way, loses nothing and leaves nothing behind", async () => {
    const { url } = await start();
    const partitions = 32;
    const published = await publish(url, numbered(500, 200), partitions);
    const records = new Records();
    const hasty = member(url, { memberId: "hasty", partitions, session });
    await hasty.run({ eachMessage: records.handler("hasty") });
    const draining = hasty.drain();
    expect([hasty.state, hasty.assignment]).toEqual(["draining", []]);
    await draining;
    expect([hasty.state, hasty.errors, await hasty.closed()]).toEqual(["closed", [], undefined]);

    const leases = await bucket(url, leasesBucket(STREAM, GROUP));
    const sessions = await bucket(url, membersBucket(STREAM, GROUP));
    for (let partition = 0; partition < partitions; partition++) {
      expect((await leases.get(leaseKey(partition)))?.value ?? {}).not.toHaveProperty("owner");
    }
    expect((await leases.get(ROSTER_KEY))?.value).toHaveProperty("members", {});
    expect(await sessions.get("hasty")).toBeUndefined();

    const next = member(url, { memberId: "next", partitions, session });
    await next.run({ eachMessage: records.handler("next") });
    await eventually("all are handled", () => records.count === published.length);
    expect(judge(published, records.all)).toMatchObject({ lost: 0, duplicated: 0, outOfOrder: 0 });
  });

  test("leaves nothing behind of a member that drains on its way into the group, however far it has come", async () => {
    const { url } = await start();
    await publish(url, numbered(1));
    const staying = member(url, { memberId: "staying", session });
    await staying.run({ eachMessage: () => {} });
    const leases = await bucket(url, leasesBucket(STREAM, GROUP));
    const sessions = await bucket(url, membersBucket(STREAM, GROUP));
    for (let i = 0; i < 40; i++) {
      const hasty = member(url, { memberId: `hasty-${i}`, session });
      const running = hasty.run({ eachMessage: () => {} }).catch(() => undefined);
      await sleep(i);
      await hasty.drain();
      await running;
      expect([i, await sessions.get(`hasty-${i}`)]).toEqual([i, undefined]);
    }
    const roster = (await leases.get(ROSTER_KEY))?.value as { members: object };
    expect(Object.keys(roster.members)).toEqual(["staying"]);
  });

  test("leaves nothing behind of a member that drains on its way back, its session being lost", async () => {
    const { url } = await start();
    await publish(url, numbered(1));
    const proxy = await startProxy(Number(new URL(url).port));
    closeAfterTest(() => proxy.close());
    const alone = member(proxy.url, { memberId: "alone", session: { ttlMs: 1_000 } });
    let draining: Promise<void> | undefined;
    alone.on("error", ({ code }) => {
      if (code === "SESSION_LOST") draining ??= alone.drain();
    });
    await alone.run({ eachMessage: () => {} });
    proxy.blackhole();
    await eventually("its session is lost", () => draining !== undefined);
    proxy.heal();
    await draining;
    const leases = await bucket(url, leasesBucket(STREAM, GROUP));
    const sessions = await bucket(url, membersBucket(STREAM, GROUP));
    expect((await leases.get(ROSTER_KEY))?.value).toHaveProperty("members", {});
    expect(await sessions.get("alone")).toBeUndefined();
  });

  test("leaves neither a session nor a place in the roster to a member that has drained", async () => {
    const { url } = await start();
    const leaving = member(url, { memberId: "leaving", session });
    await leaving.run({ eachMessage: () => {} });
    await eventually("it owns all", () => leaving.assignment.length === 4);
    const leases = await bucket(url, leasesBucket(STREAM, GROUP));
    const sessions = await bucket(url, membersBucket(STREAM, GROUP));
    expect(await sessions.get("leaving")).toBeDefined();
    await leaving.drain();
    expect(await sessions.get("leaving")).toBeUndefined();
    expect((await leases.get(ROSTER_KEY))?.value).toHaveProperty("members", {});
  });

  test("in which a handler fails until the deadline handles nothing of its key behind it, although other keys went ahead", async () => {
    const { url } = await start();
    const [a = "", b = ""] = keysOf(0, 4);
    await publish(url, [
      { key: a, data: "a1" },
      { key: a, data: "a2" },
      { key: b, data: "b1" },
    ]);
    const handling = gate();
    const calls: string[] = [];
    const concurrency = { perPartition: 2, by: "key" as const };
    const first = member(url, { memberId: "first", concurrency, drainTimeoutMs: 500 });
    const lost: string[] = [];
    first.on("partition:lost", ({ partition, reason }) => lost.push(`${partition} ${reason}`));
    await first.run({
      eachMessage: async (message) => {
        calls.push(`first ${message.string()}`);
        await handling.passed;
        if (message.string() === "a1") throw new Error("a1 cannot be handled here");
      },
    });
    await eventually("both keys are under way", () => calls.length === 2);
    const second = member(url, { memberId: "second", concurrency });
    await second.run({
      eachMessage: (message) => void calls.push(`second ${message.string()}`),
    });
    await eventually("they share", () => second.assignment.length === 2);
    // Partitions 0 and 1 are released together: once 1 is, 0 is about to be.
    const releasing = once(first, "partition:released");
    const drained = first.drain();
    await releasing;
    handling.open();
    await drained;
    const byFirst = (): string[] => calls.filter((call) => call.startsWith("first"));
    const bySecond = (): string[] => calls.filter((call) => call.startsWith("second"));
    await eventually("the rest is handled", () => bySecond().length === 3);
    // It was called again, as what went ahead of it could not be committed without it.
    expect(byFirst().length).toBeGreaterThan(2);
    expect([...new Set(byFirst())]).toEqual(["first a1", "first b1"]);
    expect(lost).toEqual(["0 drain-timeout"]);
    expect(bySecond().toSorted()).toEqual(["second a1", "second a2", "second b1"]);
    expect(calls.indexOf("second a1")).toBeLessThan(calls.indexOf("second a2"));
    expect(first.state).toBe("closed");
  });

  test("lets a key catch up with another that went ahead, so that nothing is handled twice", async () => {
    const { url } = await start();
    const [a = "", b = ""] = keysOf(0, 4);
    const published = await publish(
      url,
      [a, a, a, b].map((key) => ({ key, data: "" })),
    );
    const [first, second] = [gate(), gate()];
    const gates = new Map([
      [published[0]?.sequence, first],
      [published[1]?.sequence, second],
    ]);
    const records = new Records();
    const record = records.handler("leaving");
    const begun: number[] = [];
    const concurrency = { perPartition: 2, by: "key" as const };
    const leaving = member(url, { memberId: "leaving", concurrency, session });
    await leaving.run({
      eachMessage: async (message, context) => {
        begun.push(message.sequence);
        await gates.get(message.sequence)?.passed;
        await record(message, context);
      },
    });
    await eventually("one key has gone ahead", () => records.count === 1);
    first.open();
    await eventually("the second of the other is under way", () => begun.length === 3);
    // All partitions are released together: once one is, the rest are about to be.
    const releasing = once(leaving, "partition:released");
    const drained = leaving.drain();
    await releasing;
    second.open();
    await drained;
    expect(begun).toEqual([1, 4, 2, 3].map((n) => published[n - 1]?.sequence));
    expect(judge(published, records.all, { orderBy: "key" })).toMatchObject({ lost: 0 });
  });
});

describeOnEachServer("a member that seems to have crashed", ({ start }) => {
  test("has its partition's next durable made before that is sure, and whoever takes over goes on with it", async () => {
    const { url } = await start();
    const { manager } = await link(url);
    const records = new Records();
    const options = { partitions: 2, session: { ttlMs: 3_000 } };
    const victim = member(url, { ...options, memberId: "a" });
    await victim.run({ eachMessage: records.handler("a") });
    const heir = member(url, { ...options, memberId: "b" });
    await heir.run({ eachMessage: records.handler("b") });
    await eventually("they share", () => heir.assignment.length === 1);
    const [partition = 0] = victim.assignment;
    const leases = await bucket(url, leasesBucket(STREAM, GROUP));
    const lease = async () => (await leases.get(leaseKey(partition)))?.value as LeaseRecord;
    const { epoch } = await lease();
    // As a crash: nothing is handed over.
    await victim.close();

    const spare = durableName(GROUP, partition, epoch + 1);
    await eventually("it is there", async () => {
      return (await findConsumer(manager, STREAM, spare)) !== undefined;
    });
    const { created } = await manager.consumers.info(STREAM, spare);
    expect(await lease()).toMatchObject({ epoch, owner: "a" });
    await eventually("the other takes over", () => heir.assignment.length === 2);
    const published = await publish(url, numbered(40), 2);
    await eventually("all are handled", () => records.count === published.length);
    expect(await lease()).toMatchObject({ epoch: epoch + 1, owner: "b" });
    expect(await manager.consumers.info(STREAM, spare)).toMatchObject({ created });
  });
});
