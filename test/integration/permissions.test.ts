import { RetentionPolicy } from "@nats-io/jetstream";
import { readFileSync } from "node:fs";
import { expect, test } from "vitest";
import { DeadLetterQueue } from "../../src/consumer/dead-letters/dead-letter-queue.ts";
import type { QueueConfig } from "../../src/scaler/config/config.ts";
import { Leader, leaderKey, openLeaders } from "../../src/scaler/leader.ts";
import { NatsQueue } from "../../src/scaler/signals/nats.ts";
import { describeGroup } from "../../src/partition/group-status.ts";
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

/** The configuration that the guide prints, for the group and the subject of the tests. */
function documented(): string {
  const guide = readFileSync("docs/operating.md", "utf8");
  const block = /```\n(authorization \{[^`]*)```/.exec(guide)?.[1];
  if (block === undefined) throw new Error("docs/operating.md shows no authorization");
  return block;
}

const NEVER = new AbortController().signal;

function queueConfig(url: string): QueueConfig {
  const queue = { kind: "nats", url, jetstream: true, metrics: [] };
  return { ...queue, stream: STREAM, consumer: GROUP, subject: SUBJECT };
}

describeOnEachServer("with the permissions that the guide names", ({ start }) => {
  test("a producer publishes, members share and hand over without an ack, and the status is told", async () => {
    const toAck = '"$JS.ACK.EVENTS.>",';
    expect(documented()).toContain(toAck);
    const { url } = await start({ extraConfig: documented().replace(toAck, "") });
    const as = (user: string): string => url.replace("//", `//${user}:change-me@`);
    await publish(as("admin"), []);

    const published = await publish(as("producer"), numbered(200));
    const records = new Records();
    const first = member(as("consumer"), { memberId: "first" });
    const second = member(as("consumer"), { memberId: "second" });
    await first.run({ eachMessage: records.handler("first") });
    await second.run({ eachMessage: records.handler("second") });
    await eventually("both have a share", () => second.assignment.length === 2);
    await first.drain();
    await eventually("the second has all", () => second.assignment.length === 4);
    await eventually("all are handled", () => records.count === published.length);
    const status = await describeGroup({ servers: as("status"), stream: STREAM, group: GROUP });
    expect(status.members.map(({ id }) => id)).toEqual(["second"]);
    expect([first.errors, second.errors]).toEqual([[], []]);
    await second.drain();
  });

  test("a consumer sets aside what it cannot handle, and an operator replays it", async () => {
    const { url } = await start({ extraConfig: documented() });
    const as = (user: string): string => url.replace("//", `//${user}:change-me@`);
    await publish(as("admin"), []);
    await publish(as("producer"), numbered(10));
    const poison = { policy: "park-key", maxAttempts: 1 } as const;
    const consumer = member(as("consumer"), { poison });
    let broken = true;
    let aside = 0;
    consumer.on("message:dead-lettered", () => aside++);
    await consumer.run({
      eachMessage: () => {
        if (broken) throw new Error("cannot");
      },
    });
    await eventually("all are set aside", () => aside === 10);
    broken = false;
    const queue = await DeadLetterQueue.connect({ servers: as("replay"), stream: STREAM });
    closeAfterTest(() => queue.close());
    const ids: number[] = [];
    for await (const { id } of queue.list()) ids.push(id);
    const outcomes = await queue.replay(ids);
    expect(outcomes.filter(({ outcome }) => outcome === "handled")).toHaveLength(10);
    expect(new Set(consumer.errors.map((error) => error.code))).toEqual(
      new Set(["HANDLER_FAILED"]),
    );
  });

  test("a scaler leads, reads the group, and has a member leave", async () => {
    const { url } = await start({ extraConfig: documented() });
    const as = (user: string): string => url.replace("//", `//${user}:change-me@`);
    await publish(as("admin"), []);
    const consumer = member(as("consumer"), { memberId: "a" });
    await consumer.run({ eachMessage: () => {} });
    const queue = new NatsQueue(queueConfig(as("scaler")));
    await queue.connect();
    closeAfterTest(() => queue.close());
    const store = await openLeaders(queue.link, 1);
    const leader = new Leader(queue.link, store, leaderKey(STREAM, GROUP));
    closeAfterTest(() => leader.end());
    expect(await leader.tryToTake(NEVER)).toBe(true);
    await publish(as("producer"), numbered(10));
    const { members = [] } = await queue.read();
    expect(members.map(({ id, state }) => `${id} ${state}`)).toEqual(["a active"]);
    for (const each of members) await queue.drain(each, NEVER);
    expect(await consumer.closed()).toBeUndefined();
    expect((await queue.read()).backlog).toBeLessThanOrEqual(10);
  });

  test("a consumer that may not write dead letters is told so as it starts", async () => {
    const { url } = await start({
      extraConfig: documented().replaceAll("EVENTS_DLQ", "OTHER_DLQ"),
    });
    const as = (user: string): string => url.replace("//", `//${user}:change-me@`);
    await publish(as("admin"), []);
    const consumer = member(as("consumer"), { poison: { policy: "dead-letter" } });
    await expect(consumer.run({ eachMessage: () => {} })).rejects.toMatchObject({
      code: "NOT_AUTHORIZED",
      message: expect.stringMatching(/EVENTS_DLQ.*permission/is),
    });
  });

  test.each([
    ["acknowledge in a work queue", '"$JS.ACK.EVENTS.>",', ""],
    [
      "ask for messages",
      '"$JS.API.CONSUMER.*.*.EVENTS.>"',
      '"$JS.API.CONSUMER.*.CREATE.EVENTS.>", "$JS.API.CONSUMER.DURABLE.*.EVENTS.>"',
    ],
  ])("a consumer that may not %s is told so and ends", async (_, permission, instead) => {
    const config = documented();
    expect(config).toContain(permission);
    const { url } = await start({ extraConfig: config.replace(permission, instead) });
    const as = (user: string): string => url.replace("//", `//${user}:change-me@`);
    const { manager } = await link(as("admin"));
    const retention = RetentionPolicy.Workqueue;
    await manager.streams.add({ name: STREAM, subjects: [`${SUBJECT}.p.*`], retention });
    await publish(as("admin"), []);
    await publish(as("producer"), numbered(10));
    const consumer = member(as("consumer"), {});
    await consumer.run({ eachMessage: () => {} });
    expect(await consumer.closed()).toMatchObject({
      code: "NOT_AUTHORIZED",
      message: expect.stringMatching(/permission/i) as string,
    });
  });

  test("a consumer may neither publish to the subject nor delete the stream", async () => {
    const { url } = await start({ extraConfig: documented() });
    const as = (user: string): string => url.replace("//", `//${user}:change-me@`);
    await publish(as("admin"), []);
    await expect(publish(as("consumer"), numbered(1))).rejects.toMatchObject({
      code: "NOT_AUTHORIZED",
    });
  });
});
