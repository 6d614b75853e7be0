/** The stream of dead letters when something is odd: its limits, its messages, the stream before it. */
import { DiscardPolicy, RetentionPolicy } from "@nats-io/jetstream";
import { headers as newHeaders, type MsgHdrs, nanos } from "@nats-io/transport-node";
import { describe, expect, test } from "vitest";
import { DeadLetterQueue } from "../../src/consumer/dead-letters/dead-letter-queue.ts";
import type { EachMessage } from "../../src/consumer/handlers.ts";
import type { ConsumerEvents } from "../../src/events.ts";
import type { Link } from "../../src/nats/connection.ts";
import { leasesBucket, membersBucket } from "../../src/partition/names.ts";
import {
  closeAfterTest,
  eventually,
  GROUP,
  link,
  member,
  publish,
  STREAM,
} from "../support/group.ts";
import { describeOnEachServer } from "../support/servers.ts";

const DLQ = `${STREAM}_DLQ`;
const DLQ_SUBJECTS = [`docktor.dlq.${STREAM}.>`];
const deadLetter = { policy: "dead-letter", maxAttempts: 1 } as const;

const code = (value: string): unknown => expect.objectContaining({ code: value });

describeOnEachServer("the dead letters of a stream", ({ start }) => {
  const queue = async (url: string): Promise<DeadLetterQueue> => {
    const opened = await DeadLetterQueue.connect({ servers: url, stream: STREAM });
    closeAfterTest(() => opened.close());
    return opened;
  };

  /** Messages of one partition, whose key is the first letter. */
  const stored = async (url: string, ...names: string[]): Promise<void> => {
    await publish(
      url,
      names.map((name) => ({ key: name.slice(0, 1), data: name })),
      1,
    );
  };

  /** A member that fails on those, with what it handled and what it set aside. */
  const failingOn = (url: string, broken: ReadonlySet<string>, options = {}) => {
    const handled: string[] = [];
    const aside: ConsumerEvents["message:dead-lettered"][0][] = [];
    const consumer = member(url, { partitions: 1, poison: deadLetter, ...options });
    consumer.on("message:dead-lettered", (what) => aside.push(what));
    const eachMessage: EachMessage = (message) => {
      if (broken.has(message.string())) throw new Error(`cannot handle ${message.string()}`);
      handled.push(message.string());
    };
    return { consumer, handled, aside, eachMessage };
  };

  const lettersOf = async ({ manager }: Link): Promise<number> =>
    (await manager.streams.info(DLQ)).state.messages;

  test("keep any key, any header and any error, and give them back at a replay", async () => {
    const { url } = await start();
    await publish(url, [], 1);
    const { jetstream } = await link(url);
    const sent: Record<string, string>[] = [
      { "Docktor-Key": "Grüße an 東京 / *.>", "Nats-Expected-Stream": STREAM },
      { "Docktor-Key": "", "Nats-Msg-Id": "once", empty: "" },
      { "Docktor-Replay": "not with data", "Nats-Expected-Last-Sequence": "2" },
    ];
    for (const each of sent) {
      const headers = newHeaders();
      for (const [name, value] of Object.entries(each)) headers.append(name, value);
      await jetstream.publish("events.p.0", "x", { headers });
    }
    const seen: unknown[] = [];
    const { consumer, aside } = failingOn(url, new Set());
    await consumer.run({
      eachMessage: ({ key, headers }) => {
        seen.push({ key, headers });
        if (seen.length <= sent.length) throw new Error("first line\r\n\tsecond line: naïve ❌");
      },
    });
    await eventually("all are set aside", () => aside.length === sent.length);
    expect(aside.map(({ key }) => key)).toEqual(["Grüße an 東京 / *.>", "", undefined]);
    const letters = await queue(url);
    for await (const { error } of letters.list()) {
      expect(error).toBe("first line \tsecond line: naïve ❌");
    }
    const outcomes = await letters.replay([1, 2, 3]);
    expect(outcomes.map(({ outcome }) => outcome)).toEqual(["handled", "handled", "handled"]);
    expect(seen.slice(sent.length)).toEqual(seen.slice(0, sent.length));
  });

  test("take a message whose headers cannot be read, too, and nothing stops at it", async () => {
    const { url } = await start();
    await publish(url, [], 1);
    const { connection } = await link(url);
    const headers = { encode: () => new TextEncoder().encode("NATS/1.0\r\nno name: x\r\n\r\n") };
    for (const data of ["", "x"]) {
      connection.publish("events.p.0", data, { headers: headers as unknown as MsgHdrs });
    }
    await connection.flush();
    await stored(url, "a3");
    const { consumer, handled, aside, eachMessage } = failingOn(url, new Set(["x"]), {
      concurrency: { perPartition: 2, by: "key" },
    });
    await consumer.run({ eachMessage });
    await eventually("all are dealt with", () => handled.length === 2 && aside.length === 1);
    expect(handled.sort()).toEqual(["", "a3"]);
    expect(aside).toMatchObject([{ sequence: 2, key: undefined, deadLetter: 1 }]);
  });

  test("that are at a limit let the message wait unhandled, and say so, until there is room", async () => {
    const { url } = await start();
    const { manager } = await link(url);
    const limited = { name: DLQ, subjects: DLQ_SUBJECTS, discard: DiscardPolicy.New };
    await manager.streams.add({ ...limited, max_msgs: 1 });
    await stored(url, "a1", "b2", "c3");
    const { consumer, handled, aside, eachMessage } = failingOn(url, new Set(["a1", "b2"]));
    await consumer.run({ eachMessage });
    await eventually("the second finds no room", () =>
      consumer.errors.some((error) => error.code === "STREAM_FULL"),
    );
    expect(consumer.errors.at(-1)?.message).toContain("raise its limits, or replay or remove");
    expect([handled, aside.length]).toEqual([[], 1]);
    await manager.streams.update(DLQ, { max_msgs: 2 });
    await eventually("what is behind it is handled", () => handled.length === 1);
    expect([handled, aside.length]).toEqual([["c3"], 2]);
  });

  test("are refused at the start when another stream has their name or their subjects", async () => {
    const { url } = await start();
    const { manager } = await link(url);
    await manager.streams.add({ name: DLQ, subjects: ["my.dead.letters"] });
    const mismatch = code("STREAM_SUBJECT_MISMATCH");
    const run = async (): Promise<void> =>
      await member(url, { poison: deadLetter }).run({ eachMessage: () => {} });
    await expect(run()).rejects.toEqual(mismatch);
    await manager.streams.update(DLQ, { subjects: DLQ_SUBJECTS });
    await run();
    await manager.streams.delete(DLQ);
    await manager.streams.add({ name: "ALL", subjects: ["docktor.>"] });
    await expect(run()).rejects.toEqual(mismatch);
  });

  test("are made anew when an operator has deleted their stream", async () => {
    const { url } = await start();
    const { manager } = await link(url);
    await stored(url, "a1");
    const parking = { poison: { policy: "park-key", maxAttempts: 1 } };
    const broken = new Set(["a1", "b3"]);
    const { consumer, handled, aside, eachMessage } = failingOn(url, broken, parking);
    await consumer.run({ eachMessage });
    await eventually("one is set aside", () => aside.length === 1);
    await manager.streams.delete(DLQ);
    await stored(url, "a2", "b3", "b4", "c5");
    await eventually("all are dealt with", () => aside.length + handled.length === 5);
    expect(handled).toEqual(["a2", "c5"]);
    expect(await lettersOf(await link(url))).toBe(2);
  });

  test("have each message once, even if its member dies before it has committed", async () => {
    const { url } = await start();
    await stored(url, "a1", "b2");
    const broken = new Set(["a1"]);
    const first = failingOn(url, broken, { commit: { intervalMs: 60_000 } });
    await first.consumer.run({ eachMessage: first.eachMessage });
    await eventually("both are dealt with", () => first.handled.length === 1);
    await first.consumer.close();
    const second = failingOn(url, broken);
    await second.consumer.run({ eachMessage: second.eachMessage });
    await eventually("both are dealt with again", () => second.handled.length === 1);
    expect([first.aside[0]?.deadLetter, second.aside[0]?.deadLetter]).toEqual([1, 1]);
    const opened = await link(url);
    expect(await lettersOf(opened)).toBe(1);
    // So long may it take until the next member is there.
    const { config } = await opened.manager.streams.info(DLQ);
    expect(config.duplicate_window).toBe(nanos(10 * 60_000));
  });

  test("have a message anew when its group has started over, although it was replayed before", async () => {
    const { url } = await start();
    await stored(url, "a1");
    const broken = new Set(["a1"]);
    const first = failingOn(url, broken);
    await first.consumer.run({ eachMessage: first.eachMessage });
    await eventually("it is set aside", () => first.aside.length === 1);
    broken.clear();
    const letters = await queue(url);
    expect(await letters.replay([1])).toEqual([{ id: 1, outcome: "handled" }]);
    await first.consumer.drain();
    const { manager } = await link(url);
    for (const bucket of [membersBucket(STREAM, GROUP), leasesBucket(STREAM, GROUP)]) {
      await manager.streams.delete(`KV_${bucket}`);
    }
    for await (const { name } of manager.consumers.list(STREAM)) {
      await manager.consumers.delete(STREAM, name);
    }
    broken.add("a1");
    const second = failingOn(url, broken);
    await second.consumer.run({ eachMessage: second.eachMessage });
    await eventually("it is set aside again", () => second.aside.length === 1);
    const letter = await letters.get(second.aside[0]?.deadLetter ?? 0);
    expect(new TextDecoder().decode(letter?.data)).toBe("a1");
    expect(await lettersOf(await link(url))).toBe(1);
  });

  describe("when a replay is asked for", () => {
    test("are handled by a group that would not set anything aside now", async () => {
      const { url } = await start();
      await stored(url, "a1");
      const first = failingOn(url, new Set(["a1"]));
      await first.consumer.run({ eachMessage: first.eachMessage });
      await eventually("it is set aside", () => first.aside.length === 1);
      await first.consumer.drain();
      const second = failingOn(url, new Set(), { poison: { policy: "block" } });
      await second.consumer.run({ eachMessage: second.eachMessage });
      expect(await (await queue(url)).replay([1])).toEqual([{ id: 1, outcome: "handled" }]);
      expect(second.handled).toEqual(["a1"]);
    });

    test("of a work queue are handled there", async () => {
      const { url } = await start();
      const { manager } = await link(url);
      const retention = RetentionPolicy.Workqueue;
      await manager.streams.add({ name: STREAM, subjects: ["events.p.*"], retention });
      await stored(url, "a1", "b2");
      const broken = new Set(["a1"]);
      const { consumer, handled, aside, eachMessage } = failingOn(url, broken);
      await consumer.run({ eachMessage });
      await eventually("both are dealt with", () => handled.length + aside.length === 2);
      broken.clear();
      expect(await (await queue(url)).replay([1])).toEqual([{ id: 1, outcome: "handled" }]);
      expect(handled).toEqual(["b2", "a1"]);
      await eventually("nothing is left in the queue", async () => {
        return (await manager.streams.info(STREAM)).state.messages === 0;
      });
    });

    test("take their place in a batch", async () => {
      const { url } = await start();
      await stored(url, "a1", "b2");
      const first = failingOn(url, new Set(["a1"]));
      await first.consumer.run({ eachMessage: first.eachMessage });
      await eventually("both are dealt with", () => first.handled.length === 1);
      await first.consumer.drain();
      await stored(url, "c3");
      const letters = await queue(url);
      // Asked for twice, as someone does who sees that it is pending.
      for (let i = 0; i < 2; i++) {
        expect(await letters.replay([1], 0)).toEqual([{ id: 1, outcome: "pending" }]);
      }
      await stored(url, "d6");
      const { consumer } = failingOn(url, new Set());
      const handled: string[] = [];
      await consumer.run({
        eachBatch: ({ messages }) => void handled.push(...messages.map((each) => each.string())),
      });
      await eventually("all are handled", () => handled.includes("d6"));
      expect(handled).toEqual(["c3", "a1", "d6"]);
      await eventually("it is gone", async () => (await letters.get(1)) === undefined);
    });

    test("that nobody can have meant, the group goes on", async () => {
      const { url } = await start();
      const { manager, jetstream } = await link(url);
      await manager.streams.add({ name: DLQ, subjects: [...DLQ_SUBJECTS, "other"] });
      await jetstream.publish("other", "no dead letter");
      await publish(url, [], 1);
      for (const asked of ["WORKERS 1", "WORKERS 99", "OTHER 1", "nonsense", "WORKERS 0"]) {
        const headers = newHeaders();
        headers.set("Docktor-Replay", asked);
        await jetstream.publish("events.p.0", "", { headers });
      }
      await stored(url, "a6");
      const { consumer, handled, eachMessage } = failingOn(url, new Set());
      await consumer.run({ eachMessage });
      await eventually("what is behind them is handled", () => handled.includes("a6"));
      // What does not have the form of a request is a message like any.
      expect(handled).toEqual(["", "", "a6"]);
      expect(consumer.errors).toEqual([]);
    });

    test("show to a plain consumer as a message without data", async () => {
      const { url } = await start();
      await stored(url, "a1");
      const { consumer, aside, eachMessage } = failingOn(url, new Set(["a1"]));
      await consumer.run({ eachMessage });
      await eventually("it is set aside", () => aside.length === 1);
      await (await queue(url)).replay([1]);
      const { manager } = await link(url);
      const request = await manager.streams.getMessage(STREAM, { seq: 2 });
      expect([request?.string(), request?.header.get("Docktor-Replay")]).toEqual(["", "WORKERS 1"]);
    });
  });

  test("take a parked key's messages in order, with several keys at a time", async () => {
    const { url } = await start();
    const names = Array.from({ length: 60 }, (_, i) => `${"abc"[i % 3]}${i}`);
    await stored(url, ...names);
    const broken = new Set(["a0"]);
    const { consumer, handled, aside } = failingOn(url, broken, {
      poison: { policy: "park-key", maxAttempts: 2 },
      concurrency: { perPartition: 8, by: "key" },
    });
    await consumer.run({
      eachMessage: async (message) => {
        await new Promise((resolve) => setImmediate(resolve));
        if (broken.has(message.string())) throw new Error("cannot");
        handled.push(message.string());
      },
    });
    await eventually("all are dealt with", () => handled.length + aside.length === 60);
    const of = (key: string): string[] => names.filter((name) => name.startsWith(key));
    for (const key of ["b", "c"]) {
      expect(handled.filter((name) => name.startsWith(key))).toEqual(of(key));
    }
    const letters = await queue(url);
    const listed: [number, string][] = [];
    for await (const { id, data } of letters.list()) {
      listed.push([id, new TextDecoder().decode(data)]);
    }
    expect(listed.map(([, name]) => name)).toEqual(of("a"));
    broken.clear();
    await letters.replay(listed.map(([id]) => id));
    expect(handled.filter((name) => name.startsWith("a"))).toEqual(of("a"));
  });
});
