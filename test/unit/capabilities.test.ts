/** What is taken for granted of a server, by its version. */
import type { NatsConnection } from "@nats-io/transport-node";
import { expect, test } from "vitest";
import { atomicReplicas } from "../../src/nats/capabilities.ts";

const of = (version: string): NatsConnection =>
  ({ info: { version } }) as unknown as NatsConnection;

test.each([
  ["2.9.10", 1],
  ["2.9.20", 1],
  ["2.9.21", 3],
  ["2.15.1", 3],
])("version %s may keep leases in 3 replicas: it keeps %d", (version, replicas) => {
  expect(atomicReplicas(of(version), 3)).toBe(replicas);
});
