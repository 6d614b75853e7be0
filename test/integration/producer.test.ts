import { DiscardPolicy, type StreamConfig } from "@nats-io/jetstream";
import { connect } from "@nats-io/transport-node";
import { Readable } from "node:stream";
import { describe, expect, test } from "vitest";
import { partitionOf } from "../../src/partition/partitioner.ts";
import type { PublishAck } from "../../src/producer/message.ts";
import type { ProducerOptions } from "../../src/producer/options.ts";
import { type MessageToPublish, Producer } from "../../src/producer/producer.ts";
import { closeAfterTest, link } from "../support/group.ts";
import { startProxy } from "../support/proxy.ts";
import { readBack } from "../support/read-back.ts";
import { describeOnEachServer } from "../support/servers.ts";

const STREAM = "EVENTS";
const PARTITIONS = 8;

const code = (value: string, words = ""): unknown =>
  expect.objectContaining({ code: value, message: expect.stringContaining(words) });

function timers(): number {
  return process.getActiveResourcesInfo().filter((name) => name === "Timeout").length;
}

async function open(url: string, options: Partial<ProducerOptions> = {}): Promise<Producer> {
  const producer = await Producer.connect({
    servers: url,
    stream: STREAM,
    subject: "events",
    partitions: PARTITIONS,
    ensureStream: true,
    ...options,
  });
  closeAfterTest(() => producer.close());
  return producer;
}

describe("a producer's options", () => {
  const valid = { servers: "nats://127.0.0.1:1", stream: "S", subject: "s", partitions: 1 };
  test.each<[string, Partial<ProducerOptions>]>([
    ["a stream with a dot", { stream: "a.b" }],
    ["a subject with a wildcard", { subject: "s.*" }],
    ["no partitions at all", { partitions: 0 }],
    ["half a partition", { partitions: 1.5 }],
    ["an order that does not exist", { order: "random" as "strict" }],
    ["a window of nothing", { maxInFlight: 0 }],
    ["a window of no bytes", { maxInFlightBytes: -1 }],
    ["an ack timeout that is not a number", { ackTimeoutMs: Number.NaN }],
    ["a negative time for retries", { retryForMs: -1 }],
  ])("refuse %s before anything is sent", async (_, wrong) => {
    await expect(Producer.connect({ ...valid, ...wrong })).rejects.toEqual(code("INVALID_OPTION"));
  });

  test("name the address that nobody answers at", async () => {
    await expect(Producer.connect(valid)).rejects.toEqual(
      code("CONNECTION_FAILED", "nats://127.0.0.1:1"),
    );
  });
});

describeOnEachServer("a producer", ({ start }) => {
  test("stores a message in its key's partition and says where", async () => {
    const { url } = await start();
    const producer = await open(url);
    const keys = ["order-1", "order-2", "order-1", "ключ 🔑", ""];
    const acks: PublishAck[] = [];
    for (const key of keys) acks.push(await producer.publish(key, `to ${key}`));

    expect(acks).toEqual(
      keys.map((key, i) => ({
        stream: STREAM,
        sequence: i + 1,
        partition: partitionOf(key, PARTITIONS),
        duplicate: false,
      })),
    );
    expect(acks[0]?.partition).toBe(acks[2]?.partition);
    const stored = await readBack(await link(url), STREAM);
    expect(stored.map(({ key, data }) => ({ key, data }))).toEqual(
      keys.map((key) => ({ key, data: `to ${key}` })),
    );
    expect(stored.map(({ subject }) => subject)).toEqual(
      acks.map(({ partition }) => `events.p.${partition}`),
    );
  });

  test("keeps the order of its publish calls", async () => {
    const { url } = await start();
    const producer = await open(url);
    const count = 10_000;
    const acks = await Promise.all(
      Array.from({ length: count }, (_, i) => producer.publish(`key-${i % 100}`, String(i))),
    );
    expect(acks.map(({ sequence }) => sequence)).toEqual(
      Array.from({ length: count }, (_, i) => i + 1),
    );
  });

  test("publishes many from a source that it takes no more of than are on their way", async () => {
    const { url } = await start();
    const producer = await open(url, { maxInFlight: 16 });
    let most = 0;
    async function* source(): AsyncGenerator<MessageToPublish> {
      for (let i = 0; i < 500; i++) {
        most = Math.max(most, producer.pending);
        yield { key: `key-${i % 10}`, data: String(i) };
      }
    }
    expect(await producer.publishMany(source())).toBe(500);
    expect(most).toBeLessThanOrEqual(16);
    const stored = await readBack(await link(url), STREAM);
    expect(stored.map(({ data }) => data)).toEqual(Array.from({ length: 500 }, (_, i) => `${i}`));
  });

  test("publishes many with the ids and headers given", async () => {
    const { url } = await start();
    const producer = await open(url);
    const one = { key: "k", data: "1", messageId: "one", headers: { Trace: "t" } };
    expect(await producer.publishMany([one, one, { key: "k", data: "2" }])).toBe(3);
    const stored = await readBack(await link(url), STREAM);
    expect(stored.map(({ data }) => data)).toEqual(["1", "2"]);
    expect(stored[0]?.header("Trace")).toEqual(["t"]);
  });

  test.each(["sync", "async"])(
    "takes no more of many after one that cannot be sent, and says how many are stored (%s)",
    async (kind) => {
      const { url } = await start();
      const producer = await open(url, { maxInFlight: 4 });
      let taken = 0;
      const messages = Array.from({ length: 100 }, (_, i) => {
        return { key: i === 9 ? "line\nbreak" : "k", data: String(i) };
      });
      function* each(): Generator<MessageToPublish> {
        for (const message of messages) {
          taken++;
          yield message;
        }
      }
      const source = kind === "sync" ? each() : Readable.from(each());
      await expect(producer.publishMany(source)).rejects.toEqual(
        code("INVALID_OPTION", "of 10 messages taken so far 9 are stored"),
      );
      expect(taken).toBeLessThan(100);
      expect(producer.pending).toBe(0);
      const stored = await readBack(await link(url), STREAM);
      expect(stored.map(({ data }) => data)).toEqual(Array.from({ length: 9 }, (_, i) => `${i}`));
    },
  );

  test("tells of the first that failed of many, also when the source gives no more", async () => {
    const { url } = await start();
    const producer = await open(url, { ensureStream: { max_msg_size: 512 } });
    let ended = false;
    async function* source(): AsyncGenerator<MessageToPublish> {
      try {
        yield { key: "k", data: "1" };
        yield { key: "k", data: new Uint8Array(600) };
        yield { key: "k", data: new Uint8Array(700) };
        await new Promise(() => {});
      } finally {
        ended = true;
      }
    }
    await expect(producer.publishMany(source())).rejects.toEqual(
      code("PAYLOAD_TOO_LARGE", "of 3 messages taken so far 1 are stored"),
    );
    expect(ended).toBe(false);
  });

  test("tells of a source that fails once what it gave is stored, and of a producer that is closed", async () => {
    const { url } = await start();
    const producer = await open(url);
    async function* source(): AsyncGenerator<MessageToPublish> {
      yield { key: "k", data: "" };
      throw new Error("the file is gone");
    }
    await expect(producer.publishMany(source())).rejects.toEqual(
      code("UNEXPECTED", "the file is gone; of 1 messages taken so far 1 are stored"),
    );
    await producer.close();
    await expect(producer.publishMany([{ key: "k", data: "" }])).rejects.toEqual(code("CLOSED"));
  });

  test("carries headers and bytes unchanged", async () => {
    const { url } = await start();
    const producer = await open(url);
    const bytes = Uint8Array.from({ length: 256 }, (_, i) => i);
    const { sequence } = await producer.publish("key", bytes, {
      headers: { "Trace-Id": "a: b", Tags: ["x", "", "ÿ"] },
    });
    const [stored] = await readBack(await link(url), STREAM);
    expect(stored?.header("Trace-Id")).toEqual(["a: b"]);
    expect(stored?.header("Tags")).toEqual(["x", "", "ÿ"]);
    const { manager } = await link(url);
    const message = await manager.streams.getMessage(STREAM, { seq: sequence });
    expect(message?.data).toEqual(bytes);
  });

  test("stores a messageId once and says so the second time", async () => {
    const { url } = await start();
    const producer = await open(url);
    const first = await producer.publish("key", "one", { messageId: "id 1" });
    const second = await producer.publish("key", "two", { messageId: "id 1" });
    expect(first.duplicate).toBe(false);
    expect(second).toEqual({ ...first, duplicate: true });
    const stored = await readBack(await link(url), STREAM);
    expect(stored.map(({ data }) => data)).toEqual(["one"]);
  });

  test.each<[string, string, object]>([
    ["a key with a line break", "a\nb", {}],
    ["a key with a NUL", "a\0b", {}],
    ["a key that begins with white space", " a", {}],
    ["a key that ends with white space", "a\u00a0", {}],
    ["a key that UTF-8 cannot carry", "\ud800", {}],
    ["a key that is not a string", 7 as unknown as string, {}],
    ["an empty messageId", "key", { messageId: "" }],
    ["a messageId with a line break", "key", { messageId: "a\r\nNats-Rollup: all" }],
    ["a header of its own", "key", { headers: { "docktor-key": "x" } }],
    ["a header of the server's", "key", { headers: { "Nats-Rollup": "all" } }],
    ["a header name with a colon", "key", { headers: { "a:b": "x" } }],
    ["a header value with a line break", "key", { headers: { a: ["x", "y\n"] } }],
  ])("refuses %s", async (_, key, options) => {
    const { url } = await start();
    const producer = await open(url);
    await expect(producer.publish(key, "", options)).rejects.toEqual(code("INVALID_OPTION"));
    expect((await producer.publish("key", "")).sequence).toBe(1);
  });

  test("refuses a message over the server's max_payload, and no other", async () => {
    const { url } = await start({ extraConfig: "max_payload: 1024" });
    const producer = await open(url);
    const tooLarge = producer.publish("key", new Uint8Array(1024));
    const fits = producer.publish("key", new Uint8Array(512));
    await expect(tooLarge).rejects.toEqual(code("PAYLOAD_TOO_LARGE", "1024"));
    expect((await fits).sequence).toBe(1);
  });

  test("refuses a message over the stream's max_msg_size, and no other", async () => {
    const { url } = await start();
    const producer = await open(url, { ensureStream: { max_msg_size: 512 } });
    const tooLarge = producer.publish("key", new Uint8Array(1024));
    const fits = producer.publish("key", new Uint8Array(128));
    await expect(tooLarge).rejects.toEqual(code("PAYLOAD_TOO_LARGE", "max_msg_size"));
    expect((await fits).sequence).toBe(1);
  });

  test.each<[string, Partial<StreamConfig>]>([
    ["bytes", { max_bytes: 64 * 1024 }],
    ["messages", { max_msgs: 100 }],
  ])(
    "says which messages a stream full of %s did not take, and loses no other",
    async (_, limits) => {
      const { url } = await start();
      const producer = await open(url, { ensureStream: { ...limits, discard: DiscardPolicy.New } });
      const outcomes = await Promise.allSettled(
        Array.from({ length: 500 }, (_, i) => producer.publish(`key-${i}`, new Uint8Array(256))),
      );
      const refused = outcomes.filter((outcome) => outcome.status === "rejected");
      expect(refused.length).toBeGreaterThan(0);
      for (const { reason } of refused)
        expect(reason).toEqual(code("STREAM_FULL", "raise its limits"));
      const stored = await readBack(await link(url), STREAM);
      expect(stored.map(({ key }) => key)).toEqual(
        outcomes.flatMap((outcome, i) => (outcome.status === "fulfilled" ? [`key-${i}`] : [])),
      );
    },
  );

  test("does not create a stream unless asked to", async () => {
    const { url } = await start();
    await expect(open(url, { ensureStream: false })).rejects.toEqual(code("STREAM_NOT_FOUND"));
  });

  test("refuses a stream that does not store its subjects", async () => {
    const { url } = await start();
    const { manager } = await link(url);
    await manager.streams.add({ name: STREAM, subjects: ["other.>"] });
    await expect(open(url)).rejects.toEqual(code("STREAM_SUBJECT_MISMATCH", "other.>"));
  });

  test("takes the partition count from the server, and refuses another one", async () => {
    const { url } = await start();
    await expect(
      Producer.connect({ servers: url, stream: STREAM, subject: "events", ensureStream: true }),
    ).rejects.toEqual(code("PARTITION_COUNT_UNKNOWN"));
    expect((await open(url)).streamCreated, "the refused call created nothing").toBe(true);
    expect((await open(url)).streamCreated).toBe(false);
    await expect(open(url, { partitions: 9 })).rejects.toEqual(
      code("PARTITION_COUNT_MISMATCH", "8"),
    );
    const producer = await Producer.connect({ servers: url, stream: STREAM, subject: "events" });
    closeAfterTest(() => producer.close());
    expect(producer.partitions).toBe(PARTITIONS);
  });

  test("says that the server has no JetStream", async () => {
    const { url } = await start({ jetstream: false });
    await expect(open(url)).rejects.toEqual(code("JETSTREAM_DISABLED"));
  });

  test("says that it may not receive acks, or publish", async () => {
    const { url } = await start({
      extraConfig: `authorization { users: [
        { user: all, password: p },
        { user: deaf, password: p, permissions: {
            subscribe: { deny: "hidden.>" } } },
        { user: mute, password: p, permissions: {
            publish: { deny: "events.p.*" } } } ] }`,
    });
    const as = (user: string): string => url.replace("//", `//${user}:p@`);
    await open(as("all"));
    const hidden = await connect({ servers: url, user: "deaf", pass: "p", inboxPrefix: "hidden" });
    closeAfterTest(() => hidden.close());
    await expect(open(url, { connection: hidden })).rejects.toEqual(code("NOT_AUTHORIZED"));
    const mute = await open(as("mute"));
    await expect(mute.publish("key", "")).rejects.toEqual(code("NOT_AUTHORIZED", "events.p."));
    expect(mute.pending).toBe(0);
  });

  test.each(["pipelined", "strict"] as const)(
    "has never more in flight than its window, in %s order",
    async (order) => {
      const { url } = await start();
      const data = new Uint8Array(100);
      const producer = await open(url, { order, maxInFlight: 5, maxInFlightBytes: 1_000 });
      let mostMessages = 0;
      let mostBytes = 0;
      const look = (): void => {
        mostMessages = Math.max(mostMessages, producer.inFlight);
        mostBytes = Math.max(mostBytes, producer.inFlightBytes);
      };
      const publishing = Array.from({ length: 500 }, (_, i) =>
        producer.publish(`key-${i}`, data).then(look),
      );
      expect(producer.pending).toBe(500);
      await Promise.all(publishing);
      expect(producer.pending).toBe(0);
      expect(mostMessages).toBeGreaterThan(1);
      expect(mostMessages).toBeLessThanOrEqual(5);
      expect(mostBytes).toBeLessThanOrEqual(1_000);

      // A message that is larger than the window travels alone.
      await producer.publish("key", new Uint8Array(5_000));
    },
  );

  test("lets loops pace themselves, so that no more is pending than the window holds", async () => {
    const { url } = await start();
    const producer = await open(url, { maxInFlight: 50 });
    let stored = 0;
    let most = 0;
    for (let i = 0; i < 1_000; i++) {
      await producer.ready();
      void producer.publish(`key-${i}`, "").then(() => stored++);
      most = Math.max(most, producer.pending);
    }
    await producer.flush();
    expect(stored).toBe(1_000);
    expect(most).toBe(50);
  });

  test("flushes what was published so far, not what comes later", async () => {
    const { url } = await start();
    const producer = await open(url, { maxInFlight: 1 });
    let stored = 0;
    const count = (): unknown => stored++;
    const before = Array.from({ length: 10 }, () => producer.publish("key", "").then(count));
    const flushed = producer.flush();
    const after = Array.from({ length: 100 }, () => producer.publish("key", "").then(count));
    await flushed;
    expect(stored).toBeGreaterThanOrEqual(10);
    expect(stored).toBeLessThan(110);
    await Promise.all([...before, ...after]);
  });

  test("stores what is pending when it is closed, and takes no more", async () => {
    const { url } = await start();
    const producer = await open(url);
    const publishing = Array.from({ length: 5_000 }, (_, i) => producer.publish(`key-${i}`, ""));
    const closing = producer.close();
    await expect(producer.publish("key", "")).rejects.toEqual(code("CLOSED"));
    await expect(producer.ready()).rejects.toEqual(code("CLOSED"));
    await closing;
    await Promise.all(publishing);
    await producer.close();
    const stored = await readBack(await link(url), STREAM);
    expect(stored).toHaveLength(5_000);
  });

  test("leaves a connection of the caller's open, and nothing on it", async () => {
    const { url } = await start();
    const connection = await connect({ servers: url });
    closeAfterTest(() => connection.close());
    const timersBefore = timers();
    const producer = await open(url, { connection });
    await producer.publish("key", "");
    await producer.close();
    expect(connection.isClosed()).toBe(false);
    // One that an earlier test has left may have run out.
    expect(timers()).toBeLessThanOrEqual(timersBefore);
    const protocol = connection as unknown as {
      protocol: { subscriptions: { size(): number }; listeners: unknown[] };
    };
    // What is left is the client's own inbox for requests.
    expect(protocol.protocol.subscriptions.size()).toBe(1);
    expect(protocol.protocol.listeners).toEqual([]);
  });

  test("rejects what is pending when its connection is closed for good", async () => {
    const server = await start();
    const proxy = await startProxy(server.port);
    closeAfterTest(() => proxy.close());
    const connection = await connect({ servers: proxy.url, reconnect: false });
    const producer = await Producer.connect({
      connection,
      stream: STREAM,
      subject: "events",
      partitions: PARTITIONS,
      ensureStream: true,
      maxInFlight: 10,
    });
    proxy.blackhole();
    const publishing = Promise.allSettled(
      Array.from({ length: 20 }, (_, i) => producer.publish(`key-${i}`, "")),
    );
    const ready = producer.ready();
    // Everything that may go out is sent by then.
    await new Promise((resolve) => setImmediate(resolve));
    expect(producer.inFlight).toBe(10);
    await connection.close();
    const reasons = (await publishing).map((outcome) =>
      outcome.status === "rejected" ? (outcome.reason as Error) : undefined,
    );
    expect(reasons.slice(0, 10)).toEqual(Array(10).fill(code("CONNECTION_CLOSED", "may or may")));
    expect(reasons.slice(10)).toEqual(Array(10).fill(code("CONNECTION_CLOSED", "was not sent")));
    await expect(ready).rejects.toEqual(code("CONNECTION_CLOSED"));
    await expect(producer.publish("key", "")).rejects.toEqual(code("CONNECTION_CLOSED"));
    await producer.close();
  });
});
