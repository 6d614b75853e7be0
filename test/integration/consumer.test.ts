import { RetentionPolicy } from "@nats-io/jetstream";
import { connect } from "@nats-io/transport-node";
import { describe, expect, test } from "vitest";
import { Consumer } from "../../src/consumer/consumer.ts";
import type { Message } from "../../src/consumer/message.ts";
import { openBucket } from "../../src/lease/kv-store.ts";
import { ABSENT } from "../../src/lease/store.ts";
import { leasesBucket } from "../../src/partition/names.ts";
import { partitionOf } from "../../src/partition/partitioner.ts";
import { judge, type PublishedMessage } from "../../src/record/oracle.ts";
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
import { describeOnEachServer } from "../support/servers.ts";

const code = (value: string): unknown => expect.objectContaining({ code: value });

describe("a consumer's options", () => {
  const valid = { stream: "S", subject: "s", group: "G" };
  test.each([
    ["a group with a dot", { group: "a.b" }],
    ["a group with a space", { group: "a b" }],
    ["an empty group", { group: "" }],
    ["a member id with a star", { memberId: "m*" }],
    ["a subject with a wildcard", { subject: "s.>" }],
    ["a stream with a slash", { stream: "a/b" }],
    ["no partitions at all", { partitions: 0 }],
    ["half a partition", { partitions: 1.5 }],
    ["a session that is too short", { session: { ttlMs: 10 } }],
    ["a commit window of nothing", { commit: { window: 0 } }],
    ["no concurrency", { concurrency: { perPartition: 0, by: "key" as const } }],
  ])("refuse %s", (_, wrong) => {
    expect(() => new Consumer({ ...valid, ...wrong })).toThrow(code("INVALID_OPTION") as Error);
  });
});

describeOnEachServer("a consumer", ({ start }) => {
  test("handles every message once, in order, with all that it was published with", async () => {
    const { url } = await start();
    const published = await publish(url, [
      ...numbered(500),
      { key: "ключ", data: '{"a":1}', headers: { trace: "t-1", tags: ["x", "y"] } },
    ]);
    const messages: Message[] = [];
    const consumer = member(url, { memberId: "m" });
    await consumer.run({ eachMessage: (message) => void messages.push(message) });
    await eventually("all are handled", () => messages.length >= 501);

    const records = messages.map(({ partition, sequence }) => ({
      member: "m",
      partition,
      epoch: 1,
      sequence,
      key: null,
      ts: 0,
    }));
    expect(judge(published, records)).toMatchObject({ lost: 0, duplicated: 0, outOfOrder: 0 });
    const special = messages.find(({ key }) => key === "ключ");
    expect(special?.json()).toEqual({ a: 1 });
    expect(special?.headers).toMatchObject({ trace: "t-1", tags: ["x", "y"] });
    expect(special?.headers).not.toHaveProperty("Docktor-Key");
    expect(special?.partition).toBe(partitionOf("ключ", 4));
    expect(special?.subject).toBe(`events.p.${special?.partition}`);
    expect(special?.attempt).toBe(1);
    expect(Math.abs(Date.now() - Number(special?.timestamp))).toBeLessThan(60_000);
  });

  test("handles batches of consecutive messages of one partition", async () => {
    const { url } = await start();
    const published = await publish(url, numbered(2_000));
    const records = new Records();
    const consumer = member(url, { memberId: "m" });
    await consumer.run({
      eachBatch: ({ partition, messages, firstSequence, lastSequence }, { epoch }) => {
        expect(firstSequence).toBe(messages[0]?.sequence);
        expect(lastSequence).toBe(messages.at(-1)?.sequence);
        for (const { sequence } of messages) {
          records.all.push({ member: "m", partition, epoch, sequence, key: null, ts: Date.now() });
        }
      },
    });
    await eventually("all are handled", () => records.count === 2_000);
    expect(judge(published, records.all)).toMatchObject({ lost: 0, duplicated: 0, outOfOrder: 0 });
  });

  test("handles messages on a TTL that no heartbeat divides", async () => {
    const { url } = await start();
    const records = new Records();
    const consumer = member(url, { session: { ttlMs: 5_000 } });
    await consumer.run({ eachMessage: records.handler("m") });
    await publish(url, numbered(100));
    await eventually("all are handled", () => records.count === 100);
  });

  test("is in the group when run() resolves, and learns the partition count from the server", async () => {
    const { url } = await start();
    await publish(url, numbered(1), 7);
    const consumer = new Consumer({ servers: url, stream: STREAM, subject: "events", group: "G" });
    closeAfterTest(() => consumer.close());
    const joined: string[] = [];
    consumer.on("member:joined", ({ memberId, self }) => self && joined.push(memberId));
    await consumer.run({ eachMessage: () => {} });
    expect(joined).toEqual([consumer.memberId]);
    expect(consumer.state).toBe("running");
    expect(consumer.partitions).toBe(7);
    await eventually("it owns all", () => consumer.assignment.length === 7);
    expect(consumer.assignment).toEqual([0, 1, 2, 3, 4, 5, 6]);
  });

  test("hands a message to a failing handler again, while those behind it wait", async () => {
    const { url } = await start();
    await publish(
      url,
      [1, 2, 3].map((n) => ({ key: "k", data: String(n) })),
    );
    const calls: string[] = [];
    const consumer = member(url);
    await consumer.run({
      eachMessage: async (message) => {
        calls.push(`${message.string()} attempt ${message.attempt}`);
        if (message.string() === "2" && message.attempt < 3) throw new Error("not yet");
      },
    });
    await eventually("all are handled", () => calls.length === 5);
    expect(calls).toEqual([
      "1 attempt 1",
      "2 attempt 1",
      "2 attempt 2",
      "2 attempt 3",
      "3 attempt 1",
    ]);
    expect(consumer.errors).toEqual([code("HANDLER_FAILED"), code("HANDLER_FAILED")]);
  });

  test("goes on after a failed handler where it was when it is restarted", async () => {
    const { url } = await start();
    await publish(
      url,
      [1, 2, 3].map((n) => ({ key: "k", data: String(n) })),
    );
    const first: string[] = [];
    const broken = member(url);
    await broken.run({
      eachMessage: (message) => {
        first.push(message.string());
        if (message.string() === "2") throw new Error("broken");
      },
    });
    await eventually("it is stuck", () => broken.errors.length > 0);
    await broken.drain();
    const second: string[] = [];
    await member(url).run({ eachMessage: (message) => void second.push(message.string()) });
    await eventually("the rest is handled", () => second.length === 2);
    expect(second).toEqual(["2", "3"]);
  });

  test("handles keys of one partition side by side, each key in order, and commits no gap", async () => {
    const { url } = await start();
    const published = await publish(url, numbered(300, 30), 1);
    const records = new Records();
    let [running, most] = [0, 0];
    const runningKeys = new Set<string>();
    const work = async (): Promise<void> => {
      most = Math.max(most, ++running);
      await new Promise((resolve) => setImmediate(resolve));
      running--;
    };
    const record = records.handler("m", work);
    const concurrency = { perPartition: 8, by: "key" as const };
    const consumer = member(url, { partitions: 1, concurrency });
    await consumer.run({
      eachMessage: async (message, context) => {
        expect(runningKeys.has(message.key ?? "")).toBe(false);
        runningKeys.add(message.key ?? "");
        await record(message, context);
        runningKeys.delete(message.key ?? "");
      },
    });
    await eventually("half are handled", () => records.count > 150);
    await consumer.drain();
    const next = member(url, { partitions: 1, concurrency });
    await next.run({ eachMessage: records.handler("n") });
    await eventually("all are handled", () => records.count === 300);
    expect(most).toBeGreaterThan(1);
    expect(most).toBeLessThanOrEqual(8);
    expect(judge(published, records.all, { orderBy: "key" })).toMatchObject({
      lost: 0,
      duplicated: 0,
      outOfOrder: 0,
    });
    expect(consumer.errors).toEqual([]);
  });

  test("has at most a window of messages under way or uncommitted", async () => {
    const { url } = await start();
    await publish(url, numbered(60, 60), 1);
    let open = (): void => {};
    const gate = new Promise<void>((resolve) => (open = resolve));
    let [started, finished] = [0, 0];
    const consumer = member(url, {
      partitions: 1,
      concurrency: { perPartition: 60, by: "key" },
      commit: { window: 16, intervalMs: 60_000 },
    });
    await consumer.run({
      eachMessage: async () => {
        started++;
        await gate;
        finished++;
      },
    });
    await eventually("the window is full", () => started >= 16);
    const { manager } = await link(url);
    const name = "WORKERS-p0-e1";
    const delivered = async (): Promise<number> =>
      (await manager.consumers.info(STREAM, name)).delivered.consumer_seq;
    // More are here already, and must wait.
    await eventually("more are delivered", async () => (await delivered()) === 32);
    expect(started).toBe(16);
    open();
    await eventually("all are handled", () => finished === 60);
  });

  test("hands over several keys at a time without a repeat: what lies before a handled message is handled, too", async () => {
    const { url } = await start();
    const [a = "", b = ""] = Array.from({ length: 50 }, (_, i) => `key-${i}`).filter(
      (key) => partitionOf(key, 4) === 0,
    );
    // The second message of `a` waits for the first, while that of `b` behind it is handled.
    const published = await publish(
      url,
      [a, a, b, a, b].map((key) => ({ key, data: "" })),
    );
    const records = new Records();
    let finish = (): void => {};
    const held = new Promise<void>((resolve) => (finish = resolve));
    const options = { concurrency: { perPartition: 2, by: "key" as const } };
    const first = member(url, { memberId: "first", ...options });
    const record = records.handler("first");
    await first.run({
      eachMessage: async (message, context) => {
        if (message.sequence === published[0]?.sequence) await held;
        if (message.sequence === published[4]?.sequence) await held;
        await record(message, context);
      },
    });
    await eventually("one key has gone ahead", () => records.count === 1);
    const second = member(url, { memberId: "second", ...options });
    await second.run({ eachMessage: records.handler("second") });
    await eventually("they share", () => second.assignment.length === 2);
    const releasing = new Promise<void>((resolve) => {
      first.once("partition:released", () => resolve());
    });
    const drained = first.drain();
    await releasing;
    finish();
    await drained;
    await eventually("all are handled", () => records.count === 5);
    expect(judge(published, records.all, { orderBy: "key" })).toMatchObject({
      lost: 0,
      duplicated: 0,
      outOfOrder: 0,
    });
  });

  test("keeps its session while handlers that wait for nothing have work without end", async () => {
    const { url } = await start();
    await publish(url, numbered(4_000), 1);
    const consumer = member(url, { partitions: 1, session: { ttlMs: 500 } });
    let handled = 0;
    await consumer.run({
      eachMessage: () => {
        // All of them together take several times the TTL.
        for (const until = performance.now() + 0.5; performance.now() < until; );
        handled++;
      },
    });
    await eventually("all are handled", () => handled === 4_000);
    expect(consumer.errors).toEqual([]);
  });

  test("serves a newcomer however small the window is", async () => {
    const { url } = await start();
    const records = new Records();
    const options = { commit: { window: 1, intervalMs: 5 } };
    const first = member(url, { memberId: "first", ...options });
    await first.run({ eachMessage: records.handler("first") });
    const publishing = publish(url, numbered(600));
    await eventually("the first are handled", () => records.count > 20);
    const second = member(url, { memberId: "second", ...options });
    await second.run({ eachMessage: records.handler("second") });
    const published = await publishing;
    await eventually("all are handled", () => records.count === published.length);
    expect(judge(published, records.all)).toMatchObject({ lost: 0, duplicated: 0, outOfOrder: 0 });
  });

  test("stays closed when it is closed on its way into the group", async () => {
    const { url } = await start();
    const connecting = member(url, { memberId: "connecting" });
    const running = connecting.run({ eachMessage: () => {} });
    await connecting.close();
    await expect(running).rejects.toEqual(code("CLOSED"));
    const joining = member(url, { memberId: "joining" });
    joining.once("member:joined", () => void joining.close());
    await expect(joining.run({ eachMessage: () => {} })).rejects.toEqual(code("CLOSED"));
    expect([connecting.state, joining.state]).toEqual(["closed", "closed"]);
    const third = member(url, { memberId: "third" });
    await third.run({ eachMessage: () => {} });
    await eventually("it owns all", () => third.assignment.length === 4);
  });

  test("takes over the TTL of the group that it joins", async () => {
    const { url } = await start();
    const first = member(url, { memberId: "first" });
    await first.run({ eachMessage: () => {} });
    const second = member(url, { memberId: "second", session: { ttlMs: 9_000 } });
    await second.run({ eachMessage: () => {} });
    expect(second.sessionTtlMs).toBe(1_000);
    await first.drain();
    await second.drain();
    const third = member(url, { memberId: "third", session: { ttlMs: 9_000 } });
    await third.run({ eachMessage: () => {} });
    expect(third.sessionTtlMs).toBe(9_000);
  });

  test("drains: finishes the message under way, commits it, and hands over; nothing is handled twice", async () => {
    const { url } = await start();
    const key =
      ["a", "b", "c", "d", "e", "f", "g"].find((each) => partitionOf(each, 4) === 0) ?? "";
    const published = await publish(
      url,
      Array.from({ length: 40 }, () => ({ key, data: "" })),
    );
    const records = new Records();
    let finish = (): void => {};
    const held = new Promise<void>((resolve) => (finish = resolve));
    const first = member(url, { memberId: "first" });
    await first.run({
      eachMessage: records.handler("first", async () => {
        if (records.all.length === 10) await held;
      }),
    });
    await eventually("a handler is under way", () => records.all.length === 10);
    const second = member(url, { memberId: "second" });
    await second.run({ eachMessage: records.handler("second") });
    await eventually("they share", () => second.assignment.length === 2);
    // Partitions 0 and 1 are released together: once 1 is, no further message of 0 may start.
    const releasing = new Promise<void>((resolve) => {
      first.once("partition:released", () => resolve());
    });
    // Twice, as when two signals come.
    const drained = Promise.all([first.drain(), first.drain()]);
    expect(first.state).toBe("draining");
    await releasing;
    expect(records.all).toHaveLength(10);
    finish();
    await drained;
    expect(first.state).toBe("closed");
    expect(await first.closed()).toBeUndefined();
    await eventually("all are handled", () => records.count === 40);
    expect(judge(published, records.all)).toMatchObject({ lost: 0, duplicated: 0, outOfOrder: 0 });
    expect(records.all.filter((record) => record.member === "first")).toHaveLength(11);
  });

  test("rejects, while it joins, with what has ended it", async () => {
    const { url } = await start();
    const connection = await link(url);
    const leases = await openBucket(connection, leasesBucket(STREAM, GROUP), { replicas: 1 });
    await leases.write("lease.0", { owner: "not docktor" }, ABSENT);
    const consumer = member(url, { ensureStream: true });
    const invalid = expect.objectContaining({ code: "RECORD_INVALID" });
    await expect(consumer.run({ eachMessage: () => {} })).rejects.toEqual(invalid);
    expect(await consumer.closed()).toEqual(invalid);
    expect(consumer.state).toBe("failed");
  });

  test("closes at once and hands nothing over; another member takes over when its session expires", async () => {
    const { url } = await start();
    await publish(url, numbered(40));
    const [first, second] = [
      member(url, { memberId: "first" }),
      member(url, { memberId: "second" }),
    ];
    await first.run({ eachMessage: () => {} });
    await eventually("it owns all", () => first.assignment.length === 4);
    await second.run({ eachMessage: () => {} });
    await eventually("they share", () => second.assignment.length === 2);
    const left: string[] = [];
    second.on("member:left", ({ memberId }) => left.push(memberId));
    const lost: string[] = [];
    first.on("partition:lost", ({ reason }) => lost.push(reason));
    await first.close();
    expect(lost).toEqual(["closed", "closed"]);
    expect(first.state).toBe("closed");
    await eventually("the other owns all", () => second.assignment.length === 4);
    expect(left).toEqual(["first"]);
  });

  test("leaves a caller's own connection open, and nobody listening on it", async () => {
    const { url } = await start();
    const connection = await connect({ servers: url });
    closeAfterTest(() => connection.close());
    const consumer = member(url, { connection });
    await consumer.run({ eachMessage: () => {} });
    await consumer.drain();
    expect(connection.isClosed()).toBe(false);
    await connection.flush();
    const { listeners } = (connection as unknown as { protocol: { listeners: unknown[] } })
      .protocol;
    expect(listeners).toEqual([]);
  });

  test("leaves one durable a partition behind, whose lag anyone can read, and no session", async () => {
    const { url } = await start();
    await publish(url, numbered(100));
    const records = new Records();
    for (const memberId of ["a", "b", "c"]) {
      const consumer = member(url, { memberId });
      await consumer.run({ eachMessage: records.handler(memberId) });
      await eventually("it owns all", () => consumer.assignment.length === 4);
      await eventually("all are handled", () => records.count === 100);
      await consumer.drain();
    }
    const published = await publish(url, numbered(10));
    const { manager } = await link(url);
    const durables = await manager.consumers.list(STREAM).next();
    expect(durables.map(({ name }) => name).sort()).toEqual(
      [0, 1, 2, 3].map((p) => `WORKERS-p${p}-e3`),
    );
    const lag = durables.reduce((sum, each) => sum + each.num_pending, 0);
    expect(lag).toBe(published.length);
    const roster = await manager.streams.getMessage("KV_docktor_EVENTS_WORKERS_leases", {
      last_by_subj: "$KV.docktor_EVENTS_WORKERS_leases.lease.roster",
    });
    expect(roster?.json()).toHaveProperty("members", {});
  });

  test("consumes a work queue: what is handled is gone from the stream", async () => {
    const { url } = await start();
    const { manager } = await link(url);
    const config = { name: STREAM, subjects: ["events.p.*"], retention: RetentionPolicy.Workqueue };
    await manager.streams.add(config);
    const records = new Records();
    const published: PublishedMessage[] = [];
    const gaps: unknown[] = [];
    for (const memberId of ["a", "b", "c"]) {
      published.push(...(await publish(url, numbered(300))));
      const consumer = member(url, { memberId });
      consumer.on("partition:gap", (gap) => gaps.push(gap));
      await consumer.run({ eachMessage: records.handler(memberId) });
      await eventually("all are handled", () => records.count === published.length);
      await consumer.drain();
      expect(consumer.errors).toEqual([]);
    }
    // What is gone from a queue was handled: nothing is missing.
    expect(gaps).toEqual([]);
    expect(judge(published, records.all)).toMatchObject({ lost: 0, duplicated: 0, outOfOrder: 0 });
    await eventually(
      "the queue is empty",
      async () => (await manager.streams.info(STREAM)).state.messages === 0,
    );
  });

  test("acks in a work queue what was committed and not acked any more, and handles it no more", async () => {
    const { url } = await start();
    const { manager, ...rest } = await link(url);
    const config = { name: STREAM, subjects: ["events.p.*"], retention: RetentionPolicy.Workqueue };
    const { created } = await manager.streams.add(config);
    const published = await publish(url, numbered(10), 1);
    // As a member leaves it that dies between a commit and its acks.
    const leases = await openBucket({ manager, ...rest }, "docktor_EVENTS_WORKERS_leases", {
      replicas: 1,
    });
    await leases.write("lease.0", { epoch: 1 }, ABSENT);
    await leases.write("checkpoint.0", { epoch: 1, sequence: 6, created }, ABSENT);
    const records = new Records();
    const consumer = member(url, { partitions: 1 });
    await consumer.run({ eachMessage: records.handler("m") });
    await eventually(
      "the queue is empty",
      async () => (await manager.streams.info(STREAM)).state.messages === 0,
    );
    expect(records.all.map(({ sequence }) => sequence)).toEqual(
      published.slice(6).map(({ sequence }) => sequence),
    );
  });

  describe("refuses", () => {
    const run = (consumer: Consumer): Promise<void> => consumer.run({ eachMessage: () => {} });

    test("a stream that does not exist", async () => {
      const { url } = await start();
      await expect(run(member(url, { ensureStream: false }))).rejects.toEqual(
        code("STREAM_NOT_FOUND"),
      );
    });

    test("a stream with other subjects", async () => {
      const { url } = await start();
      await (await link(url)).manager.streams.add({ name: STREAM, subjects: ["other.>"] });
      await expect(run(member(url))).rejects.toEqual(code("STREAM_SUBJECT_MISMATCH"));
    });

    test("a stream that would drop what nobody waits for", async () => {
      const { url } = await start();
      const config = { name: STREAM, subjects: ["events.>"], retention: RetentionPolicy.Interest };
      await (await link(url)).manager.streams.add(config);
      await expect(run(member(url))).rejects.toEqual(code("STREAM_UNSUITABLE"));
    });

    test("another partition count, and leaves the members alone", async () => {
      const { url } = await start();
      const consumer = member(url);
      await run(consumer);
      await eventually("it owns all", () => consumer.assignment.length === 4);
      await expect(run(member(url, { partitions: 8 }))).rejects.toEqual(
        code("PARTITION_COUNT_MISMATCH"),
      );
      expect(consumer.assignment).toHaveLength(4);
    });

    test("a partition count that nobody knows", async () => {
      const { url } = await start();
      const consumer = new Consumer({
        servers: url,
        stream: STREAM,
        subject: "events",
        group: "G",
        ensureStream: true,
      });
      await expect(run(consumer)).rejects.toEqual(code("PARTITION_COUNT_UNKNOWN"));
    });

    test("the group of another subject", async () => {
      const { url } = await start();
      await (await link(url)).manager.streams.add({
        name: STREAM,
        subjects: ["events.>", "orders.>"],
      });
      await run(member(url));
      await expect(run(member(url, { subject: "orders" }))).rejects.toEqual(code("GROUP_MISMATCH"));
    });

    test("the id of a live member", async () => {
      const { url } = await start();
      const first = member(url, { memberId: "twin" });
      await run(first);
      await eventually("it owns all", () => first.assignment.length === 4);
      await expect(run(member(url, { memberId: "twin" }))).rejects.toEqual(
        code("MEMBER_ID_IN_USE"),
      );
      expect(first.assignment).toHaveLength(4);
      expect(first.state).toBe("running");
    });

    test("the id of a live member, also with another TTL", async () => {
      const { url } = await start();
      const first = member(url, { memberId: "twin", session: { ttlMs: 3_000 } });
      await run(first);
      await eventually("it owns all", () => first.assignment.length === 4);
      const second = member(url, { memberId: "twin", session: { ttlMs: 500 } });
      await expect(run(second)).rejects.toEqual(code("MEMBER_ID_IN_USE"));
      expect(first.state).toBe("running");
      expect(first.errors).toEqual([]);
    });

    test("a server without JetStream", async () => {
      const { url } = await start({ jetstream: false });
      await expect(run(member(url))).rejects.toEqual(code("JETSTREAM_DISABLED"));
    });

    test("to run twice", async () => {
      const { url } = await start();
      const consumer = member(url);
      await run(consumer);
      await expect(run(consumer)).rejects.toEqual(code("CLOSED"));
    });
  });
});

test("a consumer fails in one clear error where no server answers", async () => {
  const consumer = member("nats://127.0.0.1:1");
  await expect(consumer.run({ eachMessage: () => {} })).rejects.toEqual(code("CONNECTION_FAILED"));
});
