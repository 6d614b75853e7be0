/** Opening the durable of an epoch, whatever is there under its name. */
import { errors } from "@nats-io/transport-node";
import PQueue from "p-queue";
import { expect, test } from "vitest";
import {
  createDurable,
  DURABLE_SETTINGS,
  type DurableOptions,
  openDurable,
} from "../../src/consumer/delivery/durable.ts";
import { findBucket } from "../../src/lease/kv-store.ts";
import { leaseKey } from "../../src/lease/records.ts";
import { Producer } from "../../src/producer/producer.ts";
import { findConsumer } from "../../src/nats/find-consumer.ts";
import type { Link } from "../../src/nats/connection.ts";
import { durableName, leasesBucket } from "../../src/partition/names.ts";
import { judge } from "../../src/record/oracle.ts";
import {
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
import { describeOnEachServer } from "../support/servers.ts";

function optionsOn(connection: Link): DurableOptions {
  return {
    link: connection,
    stream: STREAM,
    workQueue: false,
    subject: SUBJECT,
    group: GROUP,
    partition: 0,
    epoch: 1,
    after: 0,
    maxAckPending: 1_024,
    creations: new PQueue({ concurrency: 1 }),
  };
}

const NAME = durableName(GROUP, 0, 7);

/** Leaves the partition free after epoch 1, and the next epoch's durable prepared. */
async function leavePrepared(
  url: string,
  prepared: string,
  settings: Partial<DurableOptions> = {},
): Promise<void> {
  const connection = await link(url);
  const before = member(url, { memberId: "a", partitions: 1 });
  await before.run({ eachMessage: () => {} });
  await eventually("it owns the partition", () => before.assignment.length === 1);
  await before.drain();
  const leases = await findBucket(connection, leasesBucket(STREAM, GROUP));
  const free = (await leases?.get(leaseKey(0))) ?? expect.fail("there is no lease");
  await createDurable({ ...optionsOn(connection), epoch: 2, ...settings });
  await leases?.write(leaseKey(0), { epoch: 1, next: "b", prepared }, free.revision);
}

describeOnEachServer("opening the durable of an epoch", ({ start }) => {
  async function open(): Promise<DurableOptions> {
    const { url } = await start();
    await publish(url, numbered(50), 1);
    return { ...optionsOn(await link(url)), epoch: 7, after: 10, maxAckPending: 64 };
  }

  test("makes it when there is none", async () => {
    const options = await open();
    const { name, config } = await openDurable(options);
    expect(name).toBe(NAME);
    expect(config).toMatchObject({ opt_start_seq: 11, ack_policy: "none" });
  });

  test.each(["same", "earlier"])(
    "takes one that nobody has used and that starts at the %s message",
    async (start) => {
      const options = await open();
      const after = start === "same" ? 10 : 5;
      const { created } = await createDurable({ ...options, after });
      expect(await openDurable(options)).toMatchObject({ name: NAME, created });
    },
  );

  test.each([
    ["starts too late", { after: 20 }],
    ["waits for acks", { workQueue: true }],
    ["has messages of another subject", { subject: "others" }],
  ])("leaves none there that %s", async (_, other) => {
    const options = await open();
    const subjects = [SUBJECT, "others"].map((subject) => `${subject}.p.*`);
    await options.link.manager.streams.update(STREAM, { subjects });
    await createDurable({ ...options, ...other });
    await openDurable(options);
    const { config, delivered } = await options.link.manager.consumers.info(STREAM, NAME);
    expect(config.ack_policy).toBe("none");
    expect(config.opt_start_seq).toBeLessThanOrEqual(11);
    expect(delivered.consumer_seq).toBe(0);
  });

  test("replaces one that has delivered, which would not do so again in time", async () => {
    const options = await open();
    const { created } = await createDurable(options);
    const used = await options.link.jetstream.consumers.get(STREAM, NAME);
    expect((await used.next())?.seq).toBe(11);
    const opened = await openDurable(options);
    expect(opened.created).not.toBe(created);
    expect(opened.delivered.consumer_seq).toBe(0);
  });

  test("says what it can not do, when there is none", async () => {
    const options = await open();
    await options.link.manager.streams.delete(STREAM);
    await expect(openDurable(options)).rejects.toMatchObject({ code: "STREAM_NOT_FOUND" });
  });

  test("replaces one of a work queue that has another window", async () => {
    const options = { ...(await open()), workQueue: true };
    await createDurable({ ...options, maxAckPending: 32 });
    expect((await openDurable(options)).config).toMatchObject({
      ack_policy: "explicit",
      ack_wait: 600e9,
      max_ack_pending: 64,
    });
  });

  test("makes one of its own when the one that is prepared has other settings, and goes on beyond its window", async () => {
    const { url } = await start();
    const connection = await link(url);
    // As a member might leave it that makes them in another way.
    await leavePrepared(url, "explicit 1024", { workQueue: true });
    const published = await publish(url, numbered(3_000), 1);
    const records = new Records();
    const owner = member(url, { memberId: "b", partitions: 1 });
    await owner.run({ eachMessage: records.handler("b") });
    await eventually("all are handled", () => records.count === published.length);
    const { config } = await connection.manager.consumers.info(STREAM, durableName(GROUP, 0, 2));
    expect(config.ack_policy).toBe("none");
  });

  test("makes another when messages were sent already from the one that is prepared, as to a member that was slower to claim", async () => {
    const { url } = await start();
    const connection = await link(url);
    await leavePrepared(url, DURABLE_SETTINGS);
    const published = await publish(url, numbered(100), 1);
    const prepared = await connection.jetstream.consumers.get(STREAM, durableName(GROUP, 0, 2));
    expect((await prepared.next())?.seq).toBe(1);
    const records = new Records();
    const owner = member(url, { memberId: "b", partitions: 1 });
    await owner.run({ eachMessage: records.handler("b") });
    await eventually("all are handled", () => records.count === published.length);
    expect(judge(published, records.all)).toMatchObject({ lost: 0, duplicated: 0, outOfOrder: 0 });
    const { config } = await connection.manager.consumers.info(STREAM, durableName(GROUP, 0, 3));
    expect(config.ack_policy).toBe("none");
  });

  test("has the server do nothing that takes longer the longer the stream has lived", async () => {
    const { url } = await start();
    const { manager } = await link(url);
    await publish(url, numbered(1), 1);
    // Servers before 2.10.17 take 20 s from here for the first ack that stands for all before it.
    await manager.streams.purge(STREAM, { seq: 1_000_000_000 });
    const published = await publish(url, numbered(10), 1);
    const records = new Records();
    const owner = member(url, { memberId: "a", partitions: 1 });
    await owner.run({ eachMessage: records.handler("a") });
    await eventually("all are handled", () => records.count === published.length);
    await owner.drain();
    const other = member(url, { memberId: "b", partitions: 1 });
    await other.run({ eachMessage: records.handler("b") });
    await publish(url, numbered(1), 1);
    await eventually("the next is handled", () => records.count === published.length + 1);
  });

  test("leaves none behind when the answer is lost: nobody else would use that of this epoch", async () => {
    const options = await open();
    const { manager } = options.link;
    const made: string[] = [];
    const add: typeof manager.consumers.add = async (stream, config) => {
      made.push((await manager.consumers.add(stream, config)).name);
      throw new errors.TimeoutError();
    };
    const consumers = new Proxy(manager.consumers, {
      get: (target, name) =>
        name === "add" ? add : (Reflect.get(target, name, target) as unknown),
    });
    const link = { ...options.link, manager: { ...manager, streams: manager.streams, consumers } };
    await expect(openDurable({ ...options, link })).rejects.toMatchObject({ code: "TIMEOUT" });
    expect(made).toEqual([NAME]);
    await eventually("it is removed", async () => {
      return (await findConsumer(manager, STREAM, NAME)) === undefined;
    });
  });

  test("says what to raise when the stream permits no more consumers", async () => {
    const { url } = await start();
    const connection = await link(url);
    await connection.manager.streams.add({
      name: STREAM,
      subjects: [`${SUBJECT}.p.*`],
      max_consumers: 1,
    });
    await openDurable(optionsOn(connection));
    await expect(openDurable({ ...optionsOn(connection), epoch: 2 })).rejects.toMatchObject({
      code: "CONSUMER_LIMIT",
      message: expect.stringContaining("raise max_consumers of the stream") as string,
    });
  });

  test("a stream that docktor makes permits more durables than servers do by default", async () => {
    const { url } = await start();
    await makeStream(url);
    const options = optionsOn(await link(url));
    const partitions = Array.from({ length: 1_100 }, (_, partition) => partition);
    const made = partitions.map((partition) => createDurable({ ...options, partition }));
    await expect(Promise.all(made)).resolves.toHaveLength(1_100);
  });

  test("docktor makes a stream also where the account permits few consumers", async () => {
    const { url } = await start({
      extraConfig: `
        accounts { A { jetstream { max_consumers: 50 }, users: [{ user: a, password: a }] } }
        no_auth_user: a`,
    });
    await makeStream(url);
    const { manager } = await link(url);
    expect((await manager.streams.info(STREAM)).config.name).toBe(STREAM);
  });
});

async function makeStream(servers: string): Promise<void> {
  const topology = { stream: STREAM, subject: SUBJECT, partitions: 4 };
  const producer = await Producer.connect({ servers, ...topology, ensureStream: true });
  await producer.close();
}
