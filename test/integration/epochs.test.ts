/** What the owner of a partition leaves to the next: its checkpoint, and no more durables than one. */
import { AckPolicy, DeliverPolicy } from "@nats-io/jetstream";
import { once } from "node:events";
import { expect, test } from "vitest";
import { type KvStore, openBucket } from "../../src/lease/kv-store.ts";
import { ABSENT } from "../../src/lease/store.ts";
import type { Link } from "../../src/nats/connection.ts";
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

const one = { partitions: 1 };

async function buckets(connection: Link): Promise<KvStore> {
  return await openBucket(connection, leasesBucket(STREAM, GROUP), { replicas: 1 });
}

async function durables({ manager }: Link): Promise<string[]> {
  const all = await manager.consumers.list(STREAM).next();
  return all.map(({ name }) => name).sort();
}

/** Has a member own the partition and drain, without a message to handle. */
async function ownAndDrain(url: string, memberId: string): Promise<void> {
  const consumer = member(url, { memberId, ...one });
  const balanced = once(consumer, "rebalance");
  await consumer.run({ eachMessage: () => {} });
  await balanced;
  await consumer.drain();
}

/** Has a member own the partition whose handler fails from the given message on, and drain. */
async function getStuckAndDrain(url: string, memberId: string, from: number): Promise<void> {
  const consumer = member(url, { memberId, ...one });
  await consumer.run({
    eachMessage: ({ sequence }) => {
      if (sequence >= from) throw new Error("stuck");
    },
  });
  await eventually("it is stuck", () => consumer.errors.length > 0);
  await consumer.drain();
}

describeOnEachServer("the owner of a partition", ({ start }) => {
  test("that has handled nothing of what it received leaves all of it to the next", async () => {
    const { url } = await start();
    const store = await buckets(await link(url));
    await ownAndDrain(url, "first");
    await publish(url, numbered(3), 1);
    await getStuckAndDrain(url, "second", 1);
    expect((await store.get("checkpoint.0"))?.value).toMatchObject({ epoch: 2, sequence: 0 });
    const handled: string[] = [];
    const third = member(url, { memberId: "third", ...one });
    await third.run({ eachMessage: (message) => void handled.push(message.string()) });
    await eventually("all are handled", () => handled.length === 3);
    expect(handled).toEqual(["0", "1", "2"]);
  });

  test("that found its messages removed, and told so, leaves the next one nothing to tell", async () => {
    const { url } = await start();
    const connection = await link(url);
    const store = await buckets(connection);
    await publish(url, numbered(5), 1);
    await getStuckAndDrain(url, "first", 3);
    await connection.manager.streams.purge(STREAM);
    const second = member(url, { memberId: "second", ...one });
    const told = once(second, "partition:gap");
    await second.run({ eachMessage: () => {} });
    expect(await told).toEqual([{ partition: 0, epoch: 2, first: 3, last: 5 }]);
    await second.drain();
    expect((await store.get("checkpoint.0"))?.value).toMatchObject({ epoch: 2, sequence: 5 });
  });

  test("that had nothing to handle says all the same that past durables are gone", async () => {
    const { url } = await start();
    const connection = await link(url);
    const store = await buckets(connection);
    for (const memberId of ["first", "second", "third"]) await ownAndDrain(url, memberId);
    expect(await durables(connection)).toEqual([`${GROUP}-p0-e3`]);
    const { created } = await connection.manager.streams.info(STREAM);
    expect((await store.get("checkpoint.0"))?.value).toEqual({
      epoch: 3,
      sequence: 0,
      created,
      delivered: 0,
      // They are removed once more by an owner that stays.
      lateSince: 1,
    });
  });

  test("removes the durables of all past epochs, also of claims that came to nothing", async () => {
    const { url } = await start();
    const connection = await link(url);
    const { manager } = connection;
    const { created } = await manager.streams.add({ name: STREAM, subjects: [`${SUBJECT}.p.*`] });
    const store = await buckets(connection);
    // As it is left by members that claimed, one after the other, and died before they could tidy.
    for (const epoch of [1, 2, 4]) {
      await manager.consumers.add(STREAM, { durable_name: `${GROUP}-p0-e${epoch}` });
    }
    await store.write("lease.0", { epoch: 4 }, ABSENT);
    const left = { epoch: 4, sequence: 0, created, since: 1 };
    await store.write("checkpoint.0", left, ABSENT);
    const consumer = member(url, one);
    await consumer.run({ eachMessage: () => {} });
    await eventually("only its own is left", async () => {
      return (await durables(connection)).join() === `${GROUP}-p0-e5`;
    });
  });

  test("misses nothing because of a durable that was left over and begins too late", async () => {
    const { url } = await start();
    const { manager } = await link(url);
    const published = await publish(url, numbered(5), 1);
    await manager.consumers.add(STREAM, {
      durable_name: `${GROUP}-p0-e1`,
      ack_policy: AckPolicy.All,
      deliver_policy: DeliverPolicy.StartSequence,
      opt_start_seq: 4,
      filter_subject: `${SUBJECT}.p.0`,
    });
    const handled: number[] = [];
    const consumer = member(url, one);
    await consumer.run({ eachMessage: ({ sequence }) => void handled.push(sequence) });
    await eventually("the last is handled", () =>
      handled.includes(published.at(-1)?.sequence ?? 0),
    );
    expect(handled).toEqual(published.map(({ sequence }) => sequence));
  });

  test("does not tell of messages that were removed before the group had begun", async () => {
    const { url } = await start();
    const connection = await link(url);
    const { manager } = connection;
    await publish(url, numbered(20, 20), 2);
    const { created } = await manager.streams.info(STREAM);
    const store = await buckets(connection);
    // Partition 1 had an owner; of partition 0 nothing was ever for the group to handle.
    await store.write("lease.1", { epoch: 1 }, ABSENT);
    await store.write("checkpoint.1", { epoch: 1, sequence: 0, created }, ABSENT);
    await manager.streams.purge(STREAM);
    const gaps: unknown[] = [];
    const consumer = member(url, { partitions: 2 });
    consumer.on("partition:gap", (gap) => gaps.push(gap));
    await consumer.run({ eachMessage: () => {} });
    await eventually("the gap is told", () => gaps.length > 0);
    expect(gaps).toEqual([{ partition: 1, epoch: 2, first: 1, last: 20 }]);
  });
});
