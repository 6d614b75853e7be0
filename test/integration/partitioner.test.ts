import { connect } from "@nats-io/transport-node";
import fc from "fast-check";
import { expect, test } from "vitest";
import { partitionOf } from "../../src/partition/partitioner.ts";
import { describeOnEachServer } from "../support/servers.ts";

const PARTITIONS = 32;
const KEYS = 10_000;

/** Keys that fit into one token of a subject, half of them beyond ASCII. */
const subjectToken = fc
  .oneof(
    fc.string({ minLength: 1, maxLength: 24 }),
    fc.string({ minLength: 1, maxLength: 24, unit: "grapheme" }),
  )
  .map((text) => text.replace(/[\s.*>\p{Cc}]/gu, ""))
  .filter((text) => text !== "");

describeOnEachServer("the partition of a key", ({ start }) => {
  test(`is the one that nats-server's own mapping gives it, for ${KEYS} random keys`, async () => {
    const server = await start({
      extraConfig: `mappings = { "map.*": "mapped.{{partition(${PARTITIONS},1)}}.{{wildcard(1)}}" }`,
    });
    const connection = await connect({ servers: server.url });
    const keys = [...new Set(fc.sample(subjectToken, 3 * KEYS))].slice(0, KEYS);
    expect(keys).toHaveLength(KEYS);
    expect(keys.filter((key) => /[^\0-\x7f]/.test(key)).length).toBeGreaterThan(KEYS / 10);

    const mapped = new Map<string, number>();
    connection.subscribe("mapped.>", {
      callback: (_error, message) => {
        const [, partition, key] = message.subject.split(".");
        mapped.set(key ?? "", Number(partition));
      },
    });
    for (const key of keys) connection.publish(`map.${key}`);
    // The server answers in order, so everything has arrived by then.
    await connection.flush();

    const wrong = keys.filter((key) => mapped.get(key) !== partitionOf(key, PARTITIONS));
    expect(wrong).toEqual([]);
    await connection.close();
  });
});
