import { describe, expect, test } from "vitest";
import { Consumer } from "../../src/consumer/consumer.ts";
import { DeadLetterQueue } from "../../src/consumer/dead-letters/dead-letter-queue.ts";
import { resolveOptions as resolveConsumer } from "../../src/consumer/options.ts";
import { describeGroup } from "../../src/partition/group-status.ts";
import {
  type ProducerOptions,
  resolveOptions as resolveProducer,
} from "../../src/producer/options.ts";
import { Producer } from "../../src/producer/producer.ts";

const consumer = { stream: "S", subject: "s", group: "G" };

describe("an option that does not exist is refused by name, with those that do", () => {
  test.each<[string, Record<string, unknown>]>([
    ["groupId", { groupId: "G" }],
    ["session.timeoutMs", { session: { timeoutMs: 5_000 } }],
    ["commit.interval", { commit: { interval: 5 } }],
    ["concurrency.max", { concurrency: { perPartition: 1, by: "key", max: 2 } }],
  ])("of a consumer: %s", (name, wrong) => {
    const scope = name.includes(".") ? name.replace(/[^.]+$/, "") : "";
    expect(() => resolveConsumer({ ...consumer, ...wrong })).toThrow(
      expect.objectContaining({
        code: "INVALID_OPTION",
        message: expect.stringMatching(`^${name} is not an option: there are ${scope}`),
      }),
    );
  });

  test("of a producer: partition", () => {
    const wrong = { stream: "S", subject: "s", partition: 8 };
    expect(() => resolveProducer(wrong)).toThrow(
      "partition is not an option: there are servers, connection, stream, subject, partitions",
    );
  });
});

describe("a value of another kind is refused, as it was written", () => {
  test.each<[string, Record<string, unknown>]>([
    ["session cannot be a number: use an object, { ttlMs, restartDelayMs }", { session: 5_000 }],
    ["stall cannot be a number: use an object, { afterMs }", { stall: 5_000 }],
    ["commit cannot be a list: use an object, { intervalMs, window }", { commit: [] }],
    [
      "poison cannot be a string: use an object, { policy, maxAttempts }",
      { poison: "dead-letter" },
    ],
    [
      "concurrency cannot be a number: use an object, { perPartition, by, perMember }",
      { concurrency: 0 },
    ],
    ["concurrency cannot be a boolean: use an object", { concurrency: false }],
    ["concurrency cannot be null: use an object", { concurrency: null }],
    ['partitions "32" is not possible: use a whole number from 1 to 65536', { partitions: "32" }],
    ['drainTimeoutMs "0" is not possible: use a whole number', { drainTimeoutMs: "0" }],
    [
      'ensureStream "true" is not possible: use true, false, or an object',
      { ensureStream: "true" },
    ],
  ])("of a consumer: %s", (message, wrong) => {
    const refused = expect.objectContaining({
      code: "INVALID_OPTION",
      message: expect.stringContaining(message),
    });
    expect(() => resolveConsumer({ ...consumer, ...wrong })).toThrow(refused);
  });

  test.each<[string, Record<string, unknown>]>([
    ['maxInFlight "9" is not possible: use a whole number above 0', { maxInFlight: "9" }],
    ["ensureStream 1 is not possible: use true, false, or an object", { ensureStream: 1 }],
    ['retryForMs "9" is not possible: use milliseconds, 0 or more', { retryForMs: "9" }],
  ])("of a producer: %s", (message, wrong) => {
    expect(() => resolveProducer({ stream: "S", subject: "s", ...wrong })).toThrow(message);
  });
});

test("an address instead of options is refused without a word of what is in it", async () => {
  const address = "nats://ada:geheim@127.0.0.1" as unknown as ProducerOptions;
  await expect(Producer.connect(address)).rejects.toMatchObject({
    code: "INVALID_OPTION",
    message: expect.stringMatching(/^options cannot be a string: use an object, \{ servers, /),
  });
});

describe("an option that does not exist is refused before anything is connected to", () => {
  const wrong = { stream: "S", group: "G", partition: 8 };

  test("of a group to describe", async () => {
    await expect(describeGroup(wrong)).rejects.toThrow("partition is not an option: there are ");
  });

  test("of a queue of dead letters", async () => {
    const connecting = DeadLetterQueue.connect(wrong);
    await expect(connecting).rejects.toThrow(
      "group is not an option: there are servers, connection",
    );
  });
});

describe("what must be there is asked for by name", () => {
  test.each(["stream", "subject", "group"])("%s of a consumer", (name) => {
    const { [name as "group"]: _missing, ...rest } = consumer;
    expect(() => resolveConsumer(rest as typeof consumer)).toThrow(
      expect.objectContaining({
        code: "INVALID_OPTION",
        message: expect.stringMatching(`^${name} undefined is not a valid `),
      }),
    );
  });
});

describe("what is about single messages is refused for a handler of batches", () => {
  test.each([
    ["concurrency.perPartition", { concurrency: { perPartition: 2, by: "key" } }],
    ['poison.policy "park-key"', { poison: { policy: "park-key" } }],
  ] as const)("%s", async (name, option) => {
    const batches = new Consumer({ ...consumer, ...option });
    await expect(batches.run({ eachBatch: () => {} })).rejects.toMatchObject({
      code: "INVALID_OPTION",
      message: expect.stringMatching(`^${name} needs eachMessage: `),
    });
    expect(batches.state).toBe("idle");
  });
});

describe("session.restartDelayMs", () => {
  test.each([
    ["too long", { memberId: "a", session: { restartDelayMs: 3_600_001 } }, "from 0 to 3600000"],
    ["no whole number", { memberId: "a", session: { restartDelayMs: 0.5 } }, "from 0 to 3600000"],
    ["without a memberId", { session: { restartDelayMs: 1 } }, "needs a memberId"],
  ])("is refused: %s", (_why, wrong, message) => {
    expect(() => resolveConsumer({ ...consumer, ...wrong })).toThrow(
      expect.objectContaining({
        code: "INVALID_OPTION",
        message: expect.stringMatching(`^session.restartDelayMs .*${message}`),
      }),
    );
  });

  test("is 0 unless it is set, and needs no memberId then", () => {
    const wanted = { memberId: "a", session: { restartDelayMs: 3_600_000 } };
    expect(resolveConsumer(consumer).restartDelayMs).toBe(0);
    expect(resolveConsumer({ ...consumer, session: { restartDelayMs: 0 } }).restartDelayMs).toBe(0);
    expect(resolveConsumer({ ...consumer, ...wanted }).restartDelayMs).toBe(3_600_000);
  });
});
