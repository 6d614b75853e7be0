/** What a member holds when its handlers hang, by the memory of its process. */
import { execFileSync } from "node:child_process";
import { expect, test } from "vitest";
import { Producer } from "../../src/producer/producer.ts";
import { Docktor } from "../support/cli.ts";
import { eventually, GROUP, link, member, STREAM, SUBJECT } from "../support/group.ts";
import { describeOnEachServer } from "../support/servers.ts";

const PARTITIONS = 1_024;
/** 320 MiB in all: ten times what a member may hold. */
const [MESSAGES, BYTES] = [20 * PARTITIONS, 16 * 1_024];
/** As docs/operating.md says. */
const BOUND_MB = 32;
/** What the process takes up beside: what it has read and not looked at, and what is garbage. */
const BESIDE_MB = 64;

describeOnEachServer("a member of 1,024 partitions whose handlers hang", ({ start }) => {
  test("holds no more of a backlog than it may", async () => {
    const { url } = await start();
    const where = { servers: url, stream: STREAM, subject: SUBJECT, partitions: PARTITIONS };
    const producer = await Producer.connect({ ...where, ensureStream: true });
    const flags = ["--process-time-ms=600000", "--json"];
    const member = new Docktor(["consume", ...flags], {
      env: { NATS_URL: url, STREAM_NAME: STREAM, SUBJECT_PREFIX: SUBJECT, GROUP },
    });
    await member.says(`${PARTITIONS - 1}]`, 30_000);
    const atRest = memoryMb(member);

    const data = new Uint8Array(BYTES);
    const backlog = Array.from({ length: MESSAGES }, (_, i) => ({ key: `key-${i}`, data }));
    await producer.publishMany(backlog);
    const { manager } = await link(url);
    let [delivered, peak] = [0, 0];
    await eventually(
      "the server sends nothing more",
      async () => {
        const before = delivered;
        delivered = 0;
        for await (const each of manager.consumers.list(STREAM)) {
          delivered += each.delivered.consumer_seq;
        }
        peak = Math.max(peak, memoryMb(member));
        return delivered === before && delivered >= PARTITIONS;
      },
      30_000,
    );
    console.log(`${delivered} of ${MESSAGES} sent, ${peak - atRest} MB for them`);
    expect(delivered).toBeLessThan(MESSAGES / 2);
    expect(peak - atRest).toBeLessThan(BOUND_MB + BESIDE_MB);
    await producer.close();
  }, 90_000);
});

describeOnEachServer(
  "a member whose thread is blocked while much is on its way to it",
  ({ start }) => {
    test("keeps its connection: the server cuts one for which it has to hold more than 64 MiB", async () => {
      const { url } = await start();
      const partitions = 16;
      const where = { servers: url, stream: STREAM, subject: SUBJECT, partitions };
      const producer = await Producer.connect({ ...where, ensureStream: true });
      const data = new Uint8Array(BYTES);
      const messages = 16_000;
      await producer.publishMany(
        Array.from({ length: messages }, (_, i) => ({ key: `key-${i}`, data })),
      );
      await producer.close();
      let handled = 0;
      let blocked = 0;
      const consumer = member(url, { partitions, session: { ttlMs: 20_000 } });
      await consumer.run({
        eachBatch: (batch) => {
          handled += batch.messages.length;
          if (handled < (blocked + 1) * 5_000) return;
          blocked++;
          const until = performance.now() + 3_000;
          while (performance.now() < until);
        },
      });
      await eventually("all are handled", () => handled >= messages, 60_000);
      expect(consumer.errors.map(({ code }) => code)).not.toContain("CONNECTION_LOST");
      expect([handled, blocked]).toEqual([messages, 3]);
    }, 90_000);
  },
);

function memoryMb({ child }: Docktor): number {
  const kib = execFileSync("ps", ["-o", "rss=", "-p", String(child.pid)], { encoding: "utf8" });
  return Math.round(Number(kib) / 1_024);
}
