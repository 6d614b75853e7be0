import { describe, expect, test } from "vitest";
import { DeadLetterQueue } from "../../src/consumer/dead-letters/dead-letter-queue.ts";
import type { StoredDeadLetter } from "../../src/consumer/dead-letters/dead-letter-stream.ts";
import type { Message } from "../../src/consumer/message.ts";
import type { ConsumerEvents } from "../../src/events.ts";
import { closeAfterTest, eventually, link, member, publish, STREAM } from "../support/group.ts";
import { describeOnEachServer } from "../support/servers.ts";

type DeadLettered = ConsumerEvents["message:dead-lettered"][0];

const code = (value: string): unknown => expect.objectContaining({ code: value });

describeOnEachServer("messages that cannot be handled", ({ start }) => {
  /** Messages of one partition, so that what is behind one waits for it: `<key><number>`. */
  const stored = async (url: string, ...names: string[]): Promise<void> => {
    const messages = names.map((name) => ({ key: name.slice(0, 1), data: name }));
    await publish(url, messages, 1);
  };

  /** A handler that notes what it handled, and fails on those names. */
  const failingOn = (names: ReadonlySet<string>) => {
    const handled: string[] = [];
    const eachMessage = (message: Message): void => {
      if (names.has(message.string())) throw new Error(`cannot handle ${message.string()}`);
      handled.push(message.string());
    };
    return { handled, eachMessage };
  };

  describe("dead-letter", () => {
    test("are set aside after so many attempts, with the error and their origin, and those behind go on", async () => {
      const { url } = await start();
      await stored(url, "a1", "b2", "a3");
      const consumer = member(url, {
        partitions: 1,
        memberId: "m",
        poison: { policy: "dead-letter", maxAttempts: 2 },
      });
      const told: DeadLettered[] = [];
      consumer.on("message:dead-lettered", (what) => told.push(what));
      const { handled, eachMessage } = failingOn(new Set(["a1"]));
      await consumer.run({ eachMessage });
      await eventually("the others are handled", () => handled.length === 2);
      expect(handled).toEqual(["b2", "a3"]);
      expect(told).toEqual([
        {
          partition: 0,
          epoch: 1,
          sequence: 1,
          key: "a",
          reason: "failed",
          attempts: 2,
          deadLetter: 1,
        },
      ]);
      expect(consumer.errors).toEqual([code("HANDLER_FAILED"), code("HANDLER_FAILED")]);
      const { manager } = await link(url);
      const letter = await manager.streams.getMessage(`${STREAM}_DLQ`, { seq: 1 });
      expect(letter?.string()).toBe("a1");
      expect(letter?.header.get("Docktor-Key")).toBe("a");
      expect(letter?.header.get("Docktor-Dead-Letter-Error")).toBe("cannot handle a1");
      expect(letter?.header.get("Docktor-Dead-Letter-Sequence")).toBe("1");
    });

    test("are found in a batch, and the others of it are handled", async () => {
      const { url } = await start();
      const names = Array.from({ length: 50 }, (_, i) => `k${i}`);
      await stored(url, ...names);
      const consumer = member(url, {
        partitions: 1,
        poison: { policy: "dead-letter", maxAttempts: 2 },
      });
      const told: DeadLettered[] = [];
      consumer.on("message:dead-lettered", (what) => told.push(what));
      const { handled, eachMessage } = failingOn(new Set(["k13", "k14", "k40"]));
      await consumer.run({
        eachBatch: ({ messages }) => {
          const before = handled.length;
          try {
            for (const message of messages) eachMessage(message);
          } catch (error) {
            handled.length = before;
            throw error;
          }
        },
      });
      await eventually("all but three are handled", () => handled.length === 47);
      expect(handled).toEqual(names.filter((name) => !["k13", "k14", "k40"].includes(name)));
      expect(told.map(({ sequence, attempts }) => [sequence, attempts])).toEqual([
        [14, 2],
        [15, 2],
        [41, 2],
      ]);
    });
  });

  describe("park-key", () => {
    test("take the later ones of their key with them, in order, and those of other keys go on", async () => {
      const { url } = await start();
      await stored(url, "a1", "b2", "a3", "b4", "a5");
      const consumer = member(url, {
        partitions: 1,
        poison: { policy: "park-key", maxAttempts: 1 },
      });
      const told: DeadLettered[] = [];
      consumer.on("message:dead-lettered", (what) => told.push(what));
      const { handled, eachMessage } = failingOn(new Set(["a1"]));
      await consumer.run({ eachMessage });
      await eventually("all are dealt with", () => told.length + handled.length === 5);
      expect(handled).toEqual(["b2", "b4"]);
      expect(told.map(({ sequence, reason }) => [sequence, reason])).toEqual([
        [1, "failed"],
        [3, "parked"],
        [5, "parked"],
      ]);
    });

    test("keep their key parked under the next owner", async () => {
      const { url } = await start();
      await stored(url, "a1");
      const poison = { policy: "park-key", maxAttempts: 1 } as const;
      const first = member(url, { partitions: 1, memberId: "first", poison });
      const { handled, eachMessage } = failingOn(new Set(["a1"]));
      const parked = new Promise((resolve) => first.once("message:dead-lettered", resolve));
      await first.run({ eachMessage });
      await parked;
      await first.drain();
      await stored(url, "a2", "b3");
      const second = member(url, { partitions: 1, memberId: "second", poison });
      await second.run({ eachMessage });
      await eventually("the other key's is handled", () => handled.length > 0);
      expect(handled).toEqual(["b3"]);
    });

    test("need eachMessage", async () => {
      const { url } = await start();
      const consumer = member(url, { poison: { policy: "park-key" } });
      await expect(consumer.run({ eachBatch: () => {} })).rejects.toEqual(code("INVALID_OPTION"));
    });
  });

  test("are counted across members: the next owner goes on counting", async () => {
    const { url } = await start();
    await stored(url, "a1", "b2");
    const poison = { policy: "dead-letter", maxAttempts: 4 } as const;
    const attempts: string[] = [];
    const handlerOf = (id: string, until: number) => (message: Message) => {
      if (message.string() !== "a1") return;
      attempts.push(`${id} ${message.attempt}`);
      if (message.attempt === until) void first.drain();
      throw new Error("cannot");
    };
    const first = member(url, { partitions: 1, memberId: "first", poison });
    await first.run({ eachMessage: handlerOf("first", 3) });
    await first.closed();
    const second = member(url, { partitions: 1, memberId: "second", poison });
    const aside = new Promise<DeadLettered>((resolve) => {
      second.once("message:dead-lettered", resolve);
    });
    await second.run({ eachMessage: handlerOf("second", 0) });
    expect((await aside).attempts).toBe(4);
    expect(attempts).toEqual(["first 1", "first 2", "first 3", "second 4"]);
  });

  describe("replayed from the dead letters", () => {
    const queue = async (url: string): Promise<DeadLetterQueue> => {
      const opened = await DeadLetterQueue.connect({ servers: url, stream: STREAM });
      closeAfterTest(() => opened.close());
      return opened;
    };

    test("are handled as they were published, under a new sequence, and gone", async () => {
      const { url } = await start();
      await publish(url, [{ key: "a", data: "a1", headers: { trace: "t" } }], 1);
      let broken = true;
      const seen: unknown[] = [];
      const consumer = member(url, {
        partitions: 1,
        poison: { policy: "dead-letter", maxAttempts: 1 },
      });
      const aside = new Promise((resolve) => consumer.once("message:dead-lettered", resolve));
      await consumer.run({
        eachMessage: (message) => {
          const { key, headers, sequence, subject, timestamp } = message;
          seen.push({ key, headers, subject, timestamp, text: message.string(), sequence });
          if (broken) throw new Error("not yet");
        },
      });
      await aside;
      const letters = await queue(url);
      const listed: StoredDeadLetter[] = [];
      for await (const letter of letters.list()) listed.push(letter);
      expect(listed).toMatchObject([
        {
          id: 1,
          key: "a",
          reason: "failed",
          attempts: 1,
          error: "not yet",
          headers: { trace: "t" },
        },
      ]);
      expect(await letters.replay([1])).toEqual([{ id: 1, outcome: "failed" }]);
      broken = false;
      expect(await letters.replay([1])).toEqual([{ id: 1, outcome: "handled" }]);
      const [published, , replayed] = seen;
      expect(published).toMatchObject({ key: "a", headers: { trace: "t" }, sequence: 1 });
      expect(replayed).toEqual({ ...(published as object), sequence: 3 });
      expect(await letters.get(1)).toBeUndefined();
      await expect(letters.replay([1])).rejects.toEqual(code("DEAD_LETTER_NOT_FOUND"));
    });

    test("free their key in order: a later one waits for an earlier one", async () => {
      const { url } = await start();
      await stored(url, "a1", "a2", "a3");
      const broken = new Set(["a1"]);
      const consumer = member(url, {
        partitions: 1,
        poison: { policy: "park-key", maxAttempts: 1 },
      });
      let aside = 0;
      consumer.on("message:dead-lettered", () => aside++);
      const { handled, eachMessage } = failingOn(broken);
      await consumer.run({ eachMessage });
      await eventually("all are set aside", () => aside === 3);
      const letters = await queue(url);
      expect(await letters.replay([2])).toEqual([{ id: 2, outcome: "failed" }]);
      broken.clear();
      const outcomes = await letters.replay([1, 2, 3]);
      expect(outcomes.map(({ outcome }) => outcome)).toEqual(["handled", "handled", "handled"]);
      await stored(url, "a4");
      await eventually("the key is free", () => handled.length === 4);
      expect(handled).toEqual(["a1", "a2", "a3", "a4"]);
    });

    test("concern their own group only: another one has no message more", async () => {
      const { url } = await start();
      await stored(url, "a1");
      const failing = member(url, {
        partitions: 1,
        poison: { policy: "dead-letter", maxAttempts: 1 },
      });
      const aside = new Promise((resolve) => failing.once("message:dead-lettered", resolve));
      let broken = true;
      await failing.run({
        eachMessage: () => {
          if (broken) throw new Error("cannot");
        },
      });
      const { handled, eachMessage } = failingOn(new Set());
      const other = member(url, { partitions: 1, group: "OTHER" });
      await other.run({ eachMessage });
      await aside;
      broken = false;
      expect(await (await queue(url)).replay([1])).toEqual([{ id: 1, outcome: "handled" }]);
      await stored(url, "a2");
      await eventually("the other group has got on", () => handled.includes("a2"));
      expect(handled).toEqual(["a1", "a2"]);
    });

    test("wait for a member when there is none", async () => {
      const { url } = await start();
      await stored(url, "a1");
      const consumer = member(url, {
        partitions: 1,
        poison: { policy: "dead-letter", maxAttempts: 1 },
      });
      const aside = new Promise((resolve) => consumer.once("message:dead-lettered", resolve));
      const { eachMessage } = failingOn(new Set(["a1"]));
      await consumer.run({ eachMessage });
      await aside;
      await consumer.drain();
      expect(await (await queue(url)).replay([1], 200)).toEqual([{ id: 1, outcome: "pending" }]);
    });
  });
});
