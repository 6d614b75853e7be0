/** A group on a cluster of three, each stream with a replica on every node. */
import { expect, test } from "vitest";
import { openBucket } from "../../src/lease/kv-store.ts";
import { ABSENT } from "../../src/lease/store.ts";
import { patiently } from "../../src/nats/patience.ts";
import { leasesBucket, membersBucket } from "../../src/partition/names.ts";
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
} from "../support/group.ts";
import { describeOnEachServer, describeOnNewestServer } from "../support/servers.ts";

const LEASES = `KV_${leasesBucket(STREAM, GROUP)}`;
const SESSIONS = `KV_${membersBucket(STREAM, GROUP)}`;
/** Shorter than a cluster may take to choose a leader: sessions may be lost, messages may not. */
const options = { ensureStream: { num_replicas: 3 }, session: { ttlMs: 3_000 } };

describeOnEachServer("a group on a cluster", ({ startCluster }) => {
  test("hands over and flows on while every leader steps down: nothing lost, nothing twice, order kept", async () => {
    const cluster = await startCluster();
    const records = new Records();
    const { url } = cluster.node(0);
    const a = member(url, { memberId: "a", ...options });
    await a.run({ eachMessage: records.handler("a") });
    const published = await publish(url, numbered(400));
    const b = member(url, { memberId: "b", ...options });
    await b.run({ eachMessage: records.handler("b") });
    await eventually("they share", () => b.assignment.length === 2);
    const allHandled = async (): Promise<void> =>
      await eventually("all are handled", () => records.count === published.length);
    await allHandled();

    for (const stream of [STREAM, LEASES, SESSIONS]) {
      expect(await cluster.stepDown(stream), stream).toBe(true);
    }
    published.push(...(await publish(url, numbered(400))));
    await allHandled();
    // Pulls that wait at a durable's leader end with it, and nobody tells.
    const { manager, connection } = await link(url);
    for await (const { name } of manager.consumers.list(STREAM)) {
      await connection.request(`$JS.API.CONSUMER.LEADER.STEPDOWN.${STREAM}.${name}`);
    }
    published.push(...(await publish(url, numbered(400))));
    await allHandled();
    await a.drain();
    await eventually("the other owns all", () => b.assignment.length === 4);
    await b.drain();
    expect(judge(published, records.all)).toMatchObject({
      lost: 0,
      duplicated: 0,
      outOfOrder: 0,
      sharedEpochs: 0,
      staleEpochs: 0,
    });
  });

  test("has one winner of many writers at the same revision, whatever node they ask", async () => {
    const cluster = await startCluster();
    const links = await Promise.all(cluster.nodes.map(({ url }) => link(url)));
    const stores = await Promise.all(
      links.map((each) => patiently({}, () => openBucket(each, "bucket", { replicas: 3 }))),
    );
    let revision = await stores[0]?.write("key", "first", ABSENT);
    for (let round = 0; round < 50; round++) {
      const writes = stores.map((store, i) => store.write("key", `${round} ${i}`, revision ?? 0));
      const won = (await Promise.allSettled(writes)).filter(({ status }) => status === "fulfilled");
      expect(won).toHaveLength(1);
      revision = (await stores[0]?.get("key"))?.revision;
    }
  });
});

// Elections take their time.
describeOnNewestServer("a group on a cluster", ({ startCluster }) => {
  test("goes on when the node that leads its stream is killed, and when it is back: nothing lost, order kept", async () => {
    const cluster = await startCluster();
    const records = new Records();
    const members = ["a", "b"].map((memberId) => member(cluster.url, { memberId, ...options }));
    for (const each of members) await each.run({ eachMessage: records.handler(each.memberId) });
    await eventually("they share", () => members.every((each) => each.assignment.length === 2));
    const published = await publish(cluster.url, numbered(400));
    const victim = cluster.node((await cluster.leaderOf(STREAM)) ?? 0);
    await victim.kill();
    published.push(...(await publish(cluster.url, numbered(400))));
    await victim.restart();
    published.push(...(await publish(cluster.url, numbered(400))));
    await eventually("all are handled", () => records.count === 1_200, 30_000);
    expect(judge(published, records.all)).toMatchObject({
      lost: 0,
      outOfOrder: 0,
      sharedEpochs: 0,
      staleEpochs: 0,
    });
  });
});
