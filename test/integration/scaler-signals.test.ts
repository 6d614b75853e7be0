/** What the scaler reads of queues on real servers, and how it has a member leave. */
import { AckPolicy } from "@nats-io/jetstream";
import { expect, test } from "vitest";
import type { QueueConfig } from "../../src/scaler/config/config.ts";
import { readingsFrom } from "../../src/scaler/signals/history.ts";
import { NatsQueue } from "../../src/scaler/signals/nats.ts";
import type { QueueSample } from "../../src/scaler/signals/queue.ts";
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
  SUBJECT,
} from "../support/group.ts";
import { describeOnEachServer } from "../support/servers.ts";

async function open(url: string, more: Partial<QueueConfig> = {}): Promise<NatsQueue> {
  const queue = new NatsQueue({
    kind: "nats",
    url,
    jetstream: true,
    stream: STREAM,
    consumer: GROUP,
    subject: SUBJECT,
    metrics: [],
    ...more,
  });
  await queue.connect();
  closeAfterTest(() => queue.close());
  return queue;
}

describeOnEachServer("the scaler reads", ({ start }) => {
  test("a group that nobody has joined yet: its backlog by partition, and no members", async () => {
    const { url } = await start();
    await publish(url, numbered(40));
    const queue = await open(url);
    const sample = await queue.read();
    expect(sample).toMatchObject({
      backlog: 40,
      lag: 40,
      partitioned: true,
      members: [],
      rebalancing: false,
    });
    expect(sample.parts.map(({ backlog }) => backlog).reduce((a, b) => a + b)).toBe(40);
    expect(await queue.validate("consumer")).toBe(
      "no group yet, its first member makes it; 4 partitions, backlog 40",
    );
    expect(await queue.validate("stream")).toMatch(/; 40 messages$/);
  });

  test("a group at work: members with what they did and how busy they were, and rates from what was handled", async () => {
    const { url } = await start();
    await publish(url, numbered(10));
    const [a, b] = [member(url, { memberId: "a" }), member(url, { memberId: "b" })];
    const records = new Records();
    await a.run({ eachMessage: records.handler("a") });
    await b.run({ eachMessage: records.handler("b") });
    const queue = await open(url);
    const samples: QueueSample[] = [];
    const look = async (): Promise<QueueSample> => {
      const sample = await queue.read();
      samples.push(sample);
      return sample;
    };
    await eventually("both have their share, and have committed", async () => {
      const { members = [], rebalancing, backlog } = await look();
      return (
        members.every(({ partitions }) => partitions === 2) &&
        members.length === 2 &&
        !rebalancing &&
        backlog === 0
      );
    });
    samples.length = 0;
    await look();
    await publish(url, numbered(400));
    await eventually("all are committed, and both have told of it", async () => {
      const { backlog, members = [] } = await look();
      const told = members.reduce((sum, { work }) => sum + (work?.processed ?? 0), 0);
      return backlog === 0 && told >= 410;
    });
    const [first, last] = [samples[0], samples.at(-1)];
    const seconds = ((last?.at ?? 0) - (first?.at ?? 0)) / 1_000;
    const readings = readingsFrom(samples, 60_000);
    if ("unread" in readings) expect.fail(readings.unread);
    expect(readings.rateIn.long * seconds).toBeCloseTo(400, 0);
    expect(readings.rateOut * seconds).toBeCloseTo(400, 0);
    expect(last?.members?.every(({ work }) => (work?.busyMs ?? 0) > 0)).toBe(true);
  });

  test("docktor-Go's defect: any pull consumer of a stream, and its rate in is never negative where handled messages are removed", async () => {
    const { url } = await start();
    const { manager, jetstream } = await link(url);
    await manager.streams.add({
      name: "JOBS",
      subjects: ["jobs.>"],
      retention: "workqueue" as never,
    });
    await manager.consumers.add("JOBS", { durable_name: "plain", ack_policy: AckPolicy.Explicit });
    for (let i = 0; i < 30; i++) await jetstream.publish("jobs.a", "x");
    const queue = await open(url, { stream: "JOBS", consumer: "plain", subject: undefined });
    const first = await queue.read();
    expect(first).toMatchObject({ backlog: 30, lag: 30, partitioned: false, members: undefined });
    expect(first.oldestMs).toBeGreaterThanOrEqual(0);
    const consumer = await jetstream.consumers.get("JOBS", "plain");
    for await (const message of await consumer.fetch({ max_messages: 20 })) await message.ackAck();
    const second = await queue.read();
    expect(second).toMatchObject({ backlog: 10, lag: 10 });
    const readings = readingsFrom([first, second], 60_000);
    if ("unread" in readings) expect.fail(readings.unread);
    // The stream has 20 messages less, and nothing has come in.
    expect(readings.rateIn).toEqual({ short: 0, long: 0 });
    expect((readings.rateOut * (second.at - first.at)) / 1_000).toBeCloseTo(20);
  });

  test("a message that is delivered again and again is not taken for new ones", async () => {
    const { url } = await start();
    const { manager, jetstream } = await link(url);
    await manager.streams.add({ name: "JOBS", subjects: ["jobs.>"] });
    await manager.consumers.add("JOBS", { durable_name: "plain", ack_policy: AckPolicy.Explicit });
    await jetstream.publish("jobs.a", "poison");
    const queue = await open(url, { stream: "JOBS", consumer: "plain", subject: undefined });
    const first = await queue.read();
    const consumer = await jetstream.consumers.get("JOBS", "plain");
    for (let delivery = 1; delivery <= 5; delivery++) {
      const message = await consumer.next();
      expect(message?.info.deliveryCount).toBe(delivery);
      if (delivery < 5) message?.nak();
      else await message?.ackAck();
    }
    const second = await queue.read();
    const readings = readingsFrom([first, second], 60_000);
    if ("unread" in readings) expect.fail(readings.unread);
    expect(readings.rateIn.long).toBe(0);
    expect((readings.rateOut * (second.at - first.at)) / 1_000).toBeCloseTo(1);
  });

  test("nothing that is not there: a missing stream, group or consumer is an error, and never a backlog of 0", async () => {
    const { url } = await start();
    await expect((await open(url)).read()).rejects.toMatchObject({ code: "STREAM_NOT_FOUND" });
    const { manager } = await link(url);
    await manager.streams.add({ name: STREAM, subjects: [`${SUBJECT}.>`] });
    await expect((await open(url)).read()).rejects.toMatchObject({
      code: "READING_UNAVAILABLE",
      message: expect.stringMatching(
        /^stream EVENTS has no group or consumer WORKERS: no docktor producer or consumer has used/,
      ),
    });
  });
});

describeOnEachServer("a member that the scaler has leave", ({ start }) => {
  test("hands over and leaves by itself, and another life under its id is left alone", async () => {
    const { url } = await start();
    const [a, b] = [member(url, { memberId: "a" }), member(url, { memberId: "b" })];
    for (const each of [a, b]) await each.run({ eachMessage: () => {} });
    const queue = await open(url);
    await eventually(
      "both have their share",
      () => a.assignment.length === 2 && b.assignment.length === 2,
    );
    const { members = [] } = await queue.read();
    const victim = members.find(({ id }) => id === "b") ?? expect.fail("b is a member");
    await queue.drain(victim, AbortSignal.timeout(10_000));
    expect(await b.closed()).toBeUndefined();
    expect([b.state, b.errors]).toEqual(["closed", []]);
    await eventually("the other has all", () => a.assignment.length === 4);
    const again = member(url, { memberId: "b" });
    await again.run({ eachMessage: () => {} });
    await queue.drain(victim, AbortSignal.timeout(10_000));
    expect(again.state).toBe("running");
  });
});
