import { execFileSync } from "node:child_process";
import { mkdir, mkdtemp, rm, writeFile } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { connect, nanos } from "@nats-io/transport-node";
import { describe, expect, test } from "vitest";
import { EmbeddedServer } from "../../src/nats/embedded-server.ts";
import type { ProducerOptions } from "../../src/producer/options.ts";
import { Producer } from "../../src/producer/producer.ts";
import { closeAfterTest, eventually, link } from "../support/group.ts";
import { startProxy } from "../support/proxy.ts";
import { readBack, type StoredMessage } from "../support/read-back.ts";
import { describeOnEachServer, servers } from "../support/servers.ts";

const STREAM = "EVENTS";

const code = (value: string, words = ""): unknown =>
  expect.objectContaining({ code: value, message: expect.stringContaining(words) });

async function open(url: string, options: Partial<ProducerOptions> = {}): Promise<Producer> {
  const producer = await Producer.connect({
    servers: url,
    stream: STREAM,
    subject: "events",
    partitions: 8,
    ensureStream: true,
    ...options,
  });
  closeAfterTest(() => producer.close());
  return producer;
}

/** What a message tells of its publishing: its data is its number. */
function numbersByPartition(stored: StoredMessage[]): Map<string, number[]> {
  const partitions = new Map<string, number[]>();
  for (const { subject, data } of stored) {
    const numbers = partitions.get(subject);
    if (numbers === undefined) partitions.set(subject, [Number(data)]);
    else numbers.push(Number(data));
  }
  return partitions;
}

/** Everything stored exactly once, and in the order of the publish calls per partition. */
function expectEachOnceInOrder(stored: StoredMessage[], count: number): void {
  expect(new Set(stored.map(({ messageId }) => messageId)).size).toBe(count);
  expect(stored).toHaveLength(count);
  const partitions = numbersByPartition(stored);
  for (const numbers of partitions.values()) {
    expect(numbers).toEqual(numbers.toSorted((a, b) => a - b));
  }
}

/** Publishes numbered messages as fast as the window allows; `at` runs when so many are stored. */
async function publishMany(
  producer: Producer,
  count: number,
  at: ReadonlyMap<number, () => void>,
): Promise<{ sequence: number; duplicate: boolean }[]> {
  let stored = 0;
  const publishing: Promise<{ sequence: number; duplicate: boolean }>[] = [];
  for (let i = 0; i < count; i++) {
    await producer.ready();
    publishing.push(
      producer.publish(`key-${i % 100}`, String(i)).then((ack) => {
        stored++;
        at.get(stored)?.();
        return ack;
      }),
    );
  }
  return Promise.all(publishing);
}

describeOnEachServer("a producer under faults", ({ start }) => {
  test.each(["pipelined", "strict"] as const)(
    "loses nothing, stores nothing twice and keeps the order when its server is killed and comes back, in %s order",
    async (order) => {
      const server = await start();
      const producer = await open(server.url, { order });
      const count = 20_000;
      let restarted: Promise<void> | undefined;
      const restart = async (): Promise<void> => {
        await server.kill();
        await server.restart();
      };
      const crash = (): void => {
        restarted = (restarted ?? Promise.resolve()).then(restart);
      };
      const acks = await publishMany(
        producer,
        count,
        new Map([
          [5_000, crash],
          [12_000, crash],
        ]),
      );
      await restarted;
      expect(acks.every(({ duplicate }) => !duplicate)).toBe(true);

      const stored = await readBack(await link(server.url), STREAM);
      expectEachOnceInOrder(stored, count);
      const bySequence = new Map(stored.map(({ sequence, data }) => [sequence, data]));
      expect(acks.map(({ sequence }) => bySequence.get(sequence))).toEqual(
        Array.from({ length: count }, (_, i) => String(i)),
      );
    },
  );

  test("loses nothing, stores nothing twice and keeps the order when its connection breaks again and again", async () => {
    const server = await start();
    const proxy = await startProxy(server.port);
    const producer = await open(proxy.url);
    const breaks = new Map<number, () => void>();
    for (let i = 1; i <= 5; i++) {
      breaks.set(i * 3_000, () => {
        proxy.cut();
        proxy.heal();
      });
    }
    await publishMany(producer, 20_000, breaks);
    await producer.close();
    await proxy.close();
    expectEachOnceInOrder(await readBack(await link(server.url), STREAM), 20_000);
  });

  test("sends again what is not acknowledged in time, and it is stored once", async () => {
    const server = await start();
    const proxy = await startProxy(server.port);
    closeAfterTest(() => proxy.close());
    const connection = await connect({ servers: proxy.url });
    closeAfterTest(() => connection.close());
    const producer = await open(server.url, { connection, ackTimeoutMs: 50 });
    let copies = 0;
    connection.subscribe("events.p.*", { callback: () => void copies++ });
    await connection.flush();
    proxy.blackhole();
    const before = connection.stats().outMsgs;
    const sent = producer.publish("key", "data");
    await eventually("it is sent again", () => connection.stats().outMsgs >= before + 3);
    proxy.heal();
    expect(await sent).toMatchObject({ sequence: 1, duplicate: false });
    await eventually("the server has them all", () => copies >= 3);
    await producer.publish("key", "next");
    const stored = await readBack(await link(server.url), STREAM);
    expect(stored.map(({ data }) => data)).toEqual(["data", "next"]);
  });

  test("gives up before a retry could be stored twice, and says that it may be stored", async () => {
    const server = await start();
    const proxy = await startProxy(server.port);
    closeAfterTest(() => proxy.close());
    const connection = await connect({ servers: proxy.url });
    closeAfterTest(() => connection.close());
    const producer = await open(proxy.url, {
      connection,
      ackTimeoutMs: 50,
      ensureStream: { duplicate_window: nanos(400) },
    });
    proxy.blackhole();
    const before = connection.stats().outMsgs;
    await expect(producer.publish("key", "", { messageId: "my-id" })).rejects.toEqual(
      code("PUBLISH_TIMEOUT", "may or may not be stored"),
    );
    // One at once, and then every 50 ms for half of the time that the stream remembers.
    expect(connection.stats().outMsgs - before).toBeLessThanOrEqual(5);
    proxy.heal();
  });

  test("waits for a stream that is gone to come back, and keeps the order", async () => {
    const server = await start();
    const { connection, manager } = await link(server.url);
    const producer = await open(server.url, { connection });
    const { config } = await manager.streams.info(STREAM);
    await manager.streams.delete(STREAM);
    const before = connection.stats().inMsgs;
    const publishing = Array.from({ length: 5_000 }, (_, i) =>
      producer.publish(`key-${i % 100}`, String(i)),
    );
    await eventually("a whole window is refused", () => {
      return connection.stats().inMsgs >= before + 2_000;
    });
    await manager.streams.add(config);
    await Promise.all(publishing);
    expectEachOnceInOrder(await readBack(await link(server.url), STREAM), 5_000);
  });

  test("says that a message is not stored when its stream stays away", async () => {
    const server = await start();
    const { manager } = await link(server.url);
    const producer = await open(server.url, { retryForMs: 300, maxInFlight: 10 });
    await manager.streams.delete(STREAM);
    const outcomes = await Promise.allSettled(
      Array.from({ length: 30 }, (_, i) => producer.publish(`key-${i}`, "")),
    );
    const reasons = outcomes.map((outcome) => (outcome as PromiseRejectedResult).reason as Error);
    expect(reasons).toEqual(Array(30).fill(code("PUBLISH_TIMEOUT", "not s")));
    expect(reasons[0]).toEqual(code("PUBLISH_TIMEOUT", "not stored"));
  });

  test("says which messages were not sent when its server stays away, and closes", async () => {
    const server = await start();
    const proxy = await startProxy(server.port);
    closeAfterTest(() => proxy.close());
    const producer = await open(proxy.url, { retryForMs: 500, maxInFlight: 10 });
    proxy.blackhole();
    const publishing = Promise.allSettled(
      Array.from({ length: 30 }, (_, i) => producer.publish(`key-${i}`, "")),
    );
    await eventually("the window is full", () => producer.inFlight === 10);
    proxy.cut();
    const reasons = (await publishing).map(
      (outcome) => (outcome as PromiseRejectedResult).reason as Error,
    );
    expect(reasons).toEqual([
      ...Array(10).fill(code("PUBLISH_TIMEOUT", "may or may not be stored")),
      ...Array(20).fill(code("PUBLISH_TIMEOUT", "was not sent")),
    ]);
    const late = expect(producer.publish("key", "")).rejects.toEqual(code("PUBLISH_TIMEOUT"));
    await producer.close();
    await late;
  });
});

/** Runs a command in a namespace of its own, where it may mount a small disk. */
function onSmallDisk(folder: string, command: string): [string, string[]] {
  const mount = `mount -t tmpfs -o size=4m none '${folder}' && exec ${command}`;
  return ["unshare", ["-rm", "sh", "-c", mount, "sh"]];
}

function whyNoSmallDisk(): string | undefined {
  try {
    execFileSync(...onSmallDisk(tmpdir(), "true"), { stdio: "pipe" });
    return undefined;
  } catch (error) {
    return `this machine cannot mount a small disk for a test: ${(error as Error).message.trim()}`;
  }
}

const noSmallDisk = whyNoSmallDisk();
if (noSmallDisk !== undefined) console.warn(`SKIPPED: a producer on a full disk: ${noSmallDisk}`);

describe.skipIf(noSmallDisk !== undefined)("a producer on a full disk", () => {
  test.each(servers)(
    "says which messages are not stored, on $name $version",
    async ({ binary }) => {
      const folder = await mkdtemp(join(tmpdir(), "docktor-disk-"));
      closeAfterTest(() => rm(folder, { recursive: true, force: true }));
      const storeDir = join(folder, "store");
      await mkdir(storeDir);
      const wrapper = join(folder, "nats-server");
      const [program, [options, ...words]] = onSmallDisk(storeDir, `'${binary}' "$@"`) as [
        string,
        [string, ...string[]],
      ];
      const quoted = words.map((word) => `'${word.replaceAll("'", `'\\''`)}'`).join(" ");
      await writeFile(wrapper, `#!/bin/sh\nexec ${program} ${options} ${quoted} "$@"\n`, {
        mode: 0o755,
      });
      const server = await EmbeddedServer.start({ binary: wrapper, storeDir });
      closeAfterTest(() => server.stop());

      const producer = await open(server.url, { ackTimeoutMs: 200, retryForMs: 1_000 });
      const seenByServer = join("/proc", String(server.pid), "root", storeDir, "filler");
      await writeFile(seenByServer, Buffer.alloc(8 * 1024 * 1024)).catch((error: unknown) => {
        expect(error).toMatchObject({ code: "ENOSPC" });
      });
      const outcomes = await Promise.allSettled(
        Array.from({ length: 100 }, (_, i) => producer.publish(`key-${i}`, new Uint8Array(4_096))),
      );
      // 2.9 refuses the message; 2.15 does not answer.
      for (const outcome of outcomes) {
        expect(outcome).toMatchObject({
          status: "rejected",
          reason: { message: expect.stringMatching(/free disk space|its disk not full/) as string },
        });
      }
    },
  );
});
