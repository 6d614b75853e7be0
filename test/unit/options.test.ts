import { describe, expect, test } from "vitest";
import { resolveOptions as resolveConsumer } from "../../src/consumer/options.ts";
import { resolveOptions as resolveProducer } from "../../src/producer/options.ts";

describe("an option that does not exist is refused by name, with those that do", () => {
  const consumer = { stream: "S", subject: "s", group: "G" };

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
