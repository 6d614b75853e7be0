import { existsSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { DiscardPolicy, RetentionPolicy } from "@nats-io/jetstream";
import { expect, test } from "vitest";
import { isOlder } from "../../src/nats/capabilities.ts";
import { describeGroup, type GroupStatus } from "../../src/partition/group-status.ts";
import { partitionOf } from "../../src/partition/partitioner.ts";
import { judge } from "../../src/record/oracle.ts";
import { type ProcessedRecord, readRecords } from "../../src/record/record.ts";
import { complaint, Docktor, docktor, type Ended, temporaryFolder } from "../support/cli.ts";
import { eventually, GROUP, link, STREAM } from "../support/group.ts";
import { describeOnEachServer } from "../support/servers.ts";

async function statusOf(url: string): Promise<GroupStatus> {
  return await describeGroup({ servers: url, stream: STREAM, group: GROUP, sampleMs: 0 });
}

function lastLine({ stdout }: { stdout: string }): string {
  return stdout.trimEnd().split("\n").at(-1) ?? "";
}

function recordsIn(folder: string, ...members: string[]): ProcessedRecord[] {
  const files = members.map((member) => join(folder, `${member}.jsonl`));
  return files.flatMap((file) => (existsSync(file) ? readRecords(file) : []));
}

/** How a command ends that is told to, once it has done what is waited for. */
async function stopped(command: Docktor, signal: NodeJS.Signals = "SIGTERM"): Promise<Ended> {
  command.kill(signal);
  return await command.ended;
}

describeOnEachServer("docktor publish", ({ start, version }) => {
  test("--count --json ends with the one line of the contract", async () => {
    const { url } = await start();
    const ended = await docktor(["publish", "--count", "500", "--json"], {
      env: { NATS_URL: url },
    });
    expect(ended.stdout).toMatch(/^\{"published":500,"failed":0,"durationMs":\d+\}\n$/);
    expect(ended).toMatchObject({
      code: 0,
      stderr: expect.stringContaining("created stream EVENTS"),
    });

    const { manager } = await link(url);
    const { config, state } = await manager.streams.info(STREAM);
    expect(config).toMatchObject({ subjects: ["events.p.*"], storage: "file" });
    expect(state).toMatchObject({ messages: 500 });
    const again = await docktor(["publish", "--count", "0"], { env: { NATS_URL: url } });
    expect(again.stdout).toMatch(/^published 0 messages in .*, 0 failed\n$/);
    expect(again.stderr).toBe("");
  });

  test("keys, payload, stream, subject and partitions are as asked for", async () => {
    const { url } = await start();
    const env = { NATS_URL: url, STREAM: "ORDERS", SUBJECT: "orders.eu", PARTITIONS: "8" };
    const args = ["publish", "--count", "6", "--keys", "3", "--payload-bytes", "7"];
    expect((await docktor(args, { env })).code).toBe(0);

    const { manager } = await link(url);
    for (let sequence = 1; sequence <= 6; sequence++) {
      const message = await manager.streams.getMessage("ORDERS", { seq: sequence });
      const key = `key-${(sequence - 1) % 3}`;
      expect(message?.header.get("Docktor-Key")).toBe(key);
      expect(message?.subject).toBe(`orders.eu.p.${partitionOf(key, 8)}`);
      expect(message?.data.length).toBe(7);
    }
  });

  test("without a count it keeps its rate until stopped", async () => {
    const { url } = await start();
    const { manager } = await link(url);
    const publish = new Docktor(["publish", "--rate", "200", "--json"], { env: { NATS_URL: url } });
    const stored = async (): Promise<number> =>
      (await manager.streams.info(STREAM).catch(() => undefined))?.state.messages ?? 0;
    await eventually("100 messages are stored", async () => (await stored()) >= 100);
    const { code, stdout } = await stopped(publish, "SIGINT");
    expect(code).toBe(0);
    const { published, failed, durationMs } = JSON.parse(stdout) as Record<string, number>;
    expect({ published, failed }).toEqual({ published: await stored(), failed: 0 });
    expect(published).toBeLessThanOrEqual((200 * (durationMs ?? 0)) / 1_000 + 1);
  });

  test("bursts come on top of the rate, from the environment, too", async () => {
    const { url } = await start();
    const env = { NATS_URL: url, RATE: "100", BURST_RATE: "1000" };
    const bursts = { BURST_INTERVAL: "0.2", BURST_DURATION: "0.1" };
    const args = ["publish", "--count", "220", "--json"];
    const { stdout } = await docktor(args, { env: { ...env, ...bursts } });
    // Twice 0.1 s of 100/s and 0.1 s of 1,000/s: 220 messages in 0.4 s, which the rate alone would take 2.2 s for.
    const { durationMs } = JSON.parse(stdout) as { durationMs: number };
    expect(durationMs).toBeGreaterThanOrEqual(398);
  });

  test("a payload over max_payload fails in one line, once", async () => {
    const { url } = await start();
    const env = { NATS_URL: url, LOG_LEVEL: "warn" };
    const size = ["--payload-bytes", "1100000"];
    const counted = await docktor(["publish", "--count", "3", "--json", ...size], { env });
    expect(complaint(counted)).toContain("the server accepts 1048576");
    expect(counted.stderr.trim().split("\n")).toHaveLength(1);
    expect(counted.code).toBe(1);
    expect(counted.stdout).toMatch(/^\{"published":0,"failed":3,/);
    // Without a count it would fail for ever.
    expect(await docktor(["publish", ...size], { env })).toMatchObject({ code: 1 });
  });

  test("a full stream refuses the rest, and what was acknowledged is there", async () => {
    const { url } = await start();
    const { manager } = await link(url);
    await manager.streams.add({
      name: STREAM,
      subjects: ["events.p.*"],
      discard: DiscardPolicy.New,
      // Before 2.10.5 the server removes acknowledged messages to keep max_bytes
      // (nats-io/nats-server#4771): no client can help that.
      ...(isOlder(version, "2.10.5") ? { max_msgs: 80 } : { max_bytes: 20_000 }),
    });
    const ended = await docktor(["publish", "--count", "500", "--json"], {
      env: { NATS_URL: url },
    });
    expect(complaint(ended)).toContain("a message was not stored");
    expect(ended.stderr.trim().split("\n")).toHaveLength(1);
    expect(ended.code).toBe(1);
    const { published, failed } = JSON.parse(ended.stdout) as Record<string, number>;
    const { state } = await manager.streams.info(STREAM);
    expect(published).toBeGreaterThan(0);
    expect(published).toBe(state.messages);
    expect(failed).toBe(500 - state.messages);
  });
});

describeOnEachServer("docktor consume", ({ start }) => {
  test("records each message after the work, and ends with how many", async () => {
    const { url } = await start();
    const folder = temporaryFolder();
    const env = { NATS_URL: url, DOCKTOR_RECORD: join(folder, "new/%m.jsonl"), MEMBER_ID: "me" };
    await docktor(["publish", "--count", "200", "--keys", "20"], { env });
    const consume = new Docktor(["consume", "--json", "--process-time-ms", "1"], { env });
    const records = (): ProcessedRecord[] => recordsIn(join(folder, "new"), "me");
    await eventually("all are on record", () => records().length === 200);
    const ended = await stopped(consume);

    expect(ended).toMatchObject({ code: 0, stderr: expect.stringContaining("SIGTERM: finishing") });
    expect(lastLine(ended)).toMatch(/^\{"processed":200,"durationMs":\d+\}$/);
    const events = ended.stdout.split("\n").filter((line) => line.startsWith('{"event":'));
    expect(events[0]).toBe('{"event":"member:joined","memberId":"me","self":true}');
    expect(events.filter((line) => line.includes("partition:claimed"))).toHaveLength(32);
    expect(events.at(-1)).toBe('{"event":"member:left","memberId":"me","self":true}');

    for (const record of records()) {
      const order = ["member", "partition", "epoch", "sequence", "key", "ts"];
      expect(Object.keys(record)).toEqual(order);
      const { member, partition, epoch, key, ts } = record;
      expect({ member, partition, epoch }).toEqual({
        member: "me",
        partition: partitionOf(key ?? "", 32),
        epoch: 1,
      });
      expect(Math.abs(Date.now() - ts)).toBeLessThan(60_000);
    }
    const { members, totals } = await statusOf(url);
    expect({ members, lag: totals.lag }).toEqual({ members: [], lag: 0 });
  });

  test("SIGTERM finishes what is under way and hands the rest over: nothing twice, nothing lost", async () => {
    const { url } = await start();
    const folder = temporaryFolder();
    const env = { NATS_URL: url, DOCKTOR_RECORD: join(folder, "%m.jsonl") };
    await docktor(["publish", "--count", "300", "--keys", "50"], { env });
    const first = new Docktor(["consume", "--member-id=a", "--process-time-ms=50"], { env });
    await eventually("some are on record", () => recordsIn(folder, "a").length >= 20);
    expect(await stopped(first)).toMatchObject({ code: 0 });
    const before = recordsIn(folder, "a").length;
    expect((await statusOf(url)).totals.lag).toBe(300 - before);

    const second = new Docktor(["consume", "--member-id=b"], { env });
    await eventually("all are on record", () => recordsIn(folder, "a", "b").length >= 300);
    expect(await stopped(second, "SIGINT")).toMatchObject({ code: 0 });
    expect(judge([], recordsIn(folder, "a", "b"))).toMatchObject({
      processed: 300,
      duplicated: 0,
      outOfOrder: 0,
      sharedEpochs: 0,
    });
    expect((await statusOf(url)).totals.lag).toBe(0);
  });

  test("the second signal stops at once, and what was under way is left to others", async () => {
    const { url } = await start();
    const folder = temporaryFolder();
    const env = { NATS_URL: url, DOCKTOR_RECORD: join(folder, "%m.jsonl") };
    // One key: the next message starts when this one is on record.
    await docktor(["publish", "--count", "3", "--keys", "1"], { env });
    const consume = new Docktor(["consume", "--member-id=a", "--process-time-ms=2000"], { env });
    await eventually("the first is on record", () => recordsIn(folder, "a").length === 1);
    consume.kill("SIGTERM");
    await consume.says("once more stops at once");
    // An echo of the first one would be ignored, so this insists.
    const insisting = setInterval(() => consume.kill("SIGTERM"), 20);
    const ended = await consume.ended;
    clearInterval(insisting);
    expect(ended.code).toBe(143);
    expect(recordsIn(folder, "a")).toHaveLength(1);
    expect((await statusOf(url)).totals.lag).toBeGreaterThanOrEqual(2);
  });

  test("takes the partition count that the subject has, and refuses another", async () => {
    const { url } = await start();
    const env = { NATS_URL: url };
    await docktor(["publish", "--count", "1", "--partitions", "8"], { env });
    const consume = new Docktor(["consume", "--json"], { env });
    await eventually(
      "it owns all 8",
      () => consume.stdout.match(/partition:claimed/g)?.length === 8,
    );
    await consume.says('"partitions":[0,1,2,3,4,5,6,7]');

    for (const command of ["consume", "publish"]) {
      const ended = await docktor([command], { env: { ...env, PARTITIONS: "16" } });
      expect(complaint(ended)).toMatch(/has 8 partitions, not 16: use 8.* \(set by PARTITIONS\)$/);
      expect(ended.code).toBe(2);
    }
    expect((await docktor(["publish", "--count", "5"], { env })).code).toBe(0);
    expect(await stopped(consume)).toMatchObject({ code: 0 });
  });

  test("two members started together share 32 partitions", async () => {
    const { url } = await start();
    const env = { NATS_URL: url };
    const members = ["a", "b"].map((id) => new Docktor(["consume", `--member-id=${id}`], { env }));
    await eventually("each owns 16", async () => {
      const status = await statusOf(url).catch(() => undefined);
      return status?.members.map(({ partitions }) => partitions.length).join() === "16,16";
    });
    const ended = await Promise.all(members.map((member) => stopped(member)));
    expect(ended.map(({ code }) => code)).toEqual([0, 0]);
  });

  test("several keys of a partition at a time, each key in order", async () => {
    const { url } = await start();
    const folder = temporaryFolder();
    const env = { NATS_URL: url, DOCKTOR_RECORD: join(folder, "%m.jsonl"), PARTITIONS: "1" };
    await docktor(["publish", "--count", "100", "--keys", "10"], { env });
    const args = ["consume", "--member-id=a", "--concurrency=10", "--process-time-ms=20"];
    const consume = new Docktor(args, { env });
    await eventually("all are on record", () => recordsIn(folder, "a").length === 100);
    expect(await stopped(consume)).toMatchObject({ code: 0 });
    const verdict = judge([], recordsIn(folder, "a"), { orderBy: "key" });
    expect(verdict).toMatchObject({ processed: 100, duplicated: 0, outOfOrder: 0 });
  });

  test("tells that it has created the stream, and when the group has another TTL", async () => {
    const { url } = await start();
    const env = { NATS_URL: url };
    const first = new Docktor(["consume", "--session-ttl-ms", "2000"], { env });
    await first.says("created stream EVENTS");
    const second = new Docktor(["consume"], { env });
    await second.says("the group's session TTL is 2,000 ms, as its members have it, not 5,000 ms");
    expect(second.stderr).not.toContain("created stream");
    const ended = await Promise.all([stopped(first), stopped(second)]);
    expect(ended.map(({ code }) => code)).toEqual([0, 0]);
    expect(first.stderr).not.toContain("session TTL");
  });

  test("a second member of the same id is refused", async () => {
    const { url } = await start();
    const env = { NATS_URL: url, MEMBER_ID: "me", SESSION_TTL_MS: "1000" };
    const first = new Docktor(["consume", "--json"], { env });
    await first.says("member:joined");
    const twin = await docktor(["consume"], { env });
    expect(complaint(twin)).toContain("me");
    expect(twin.code).toBe(1);
    expect(await stopped(first)).toMatchObject({ code: 0 });
  });

  test("fails in one line when the stream is deleted under it", async () => {
    const { url } = await start();
    const consume = new Docktor(["consume", "--json"], { env: { NATS_URL: url } });
    await consume.says('"event":"rebalance"');
    const { manager } = await link(url);
    await manager.streams.delete(STREAM);
    const ended = await consume.ended;
    expect(complaint(ended)).toContain(STREAM);
    expect(ended.code).toBe(1);
  });

  test("says so when it cannot hand over, because the server is gone", async () => {
    const server = await start();
    const env = { NATS_URL: server.url, SESSION_TTL_MS: "500", LOG_LEVEL: "silent" };
    const consume = new Docktor(["consume", "--json"], { env });
    await consume.says('"event":"rebalance"');
    await server.kill();
    const ended = await stopped(consume);
    expect(complaint(ended)).toMatch(/32 partitions could not be handed over/);
    expect(ended.code).toBe(1);
  });

  test("ends quietly when nobody reads its output any more", async () => {
    const { url } = await start();
    const env = { NATS_URL: url, LOG_LEVEL: "warn" };
    const consume = new Docktor(["consume", "--json", "--member-id=a"], { env });
    await consume.says('"event":"rebalance"');
    consume.child.stdout?.destroy();
    const other = new Docktor(["consume", "--json", "--member-id=b"], { env });
    expect(await consume.ended).toMatchObject({ code: 0, stderr: "" });
    await other.says('"event":"member:left","memberId":"a"');
    expect(await stopped(other)).toMatchObject({ code: 0 });
  });

  test("finds its server in .env", async () => {
    const { url } = await start();
    const cwd = temporaryFolder();
    writeFileSync(join(cwd, ".env"), `NATS_URL=${url}\nGROUP=FROM_FILE\nMEMBER_ID=file\n`);
    const consume = new Docktor(["consume", "--json"], { cwd, env: { GROUP: "FROM_ENV" } });
    await consume.says('"event":"rebalance","members":["file"]');
    const status = await docktor(["status", "--json", "--group", "FROM_ENV"], { cwd });
    expect(JSON.parse(status.stdout)).toMatchObject({ group: "FROM_ENV" });
    expect(await stopped(consume)).toMatchObject({ code: 0 });
  });
});

describeOnEachServer("docktor status", ({ start }) => {
  test("--json prints the object of the contract", async () => {
    const { url } = await start();
    const env = { NATS_URL: url, PARTITIONS: "4" };
    const consume = new Docktor(["consume", "--member-id=a", "--json"], { env });
    await consume.says('"partitions":[0,1,2,3]');
    expect(await stopped(consume)).toMatchObject({ code: 0 });
    await docktor(["publish", "--count", "10", "--keys", "1"], { env });
    const args = ["consume", "--member-id=b", "--json", "--process-time-ms=60000"];
    const busy = new Docktor(args, { env });
    await busy.says('"partitions":[0,1,2,3]');

    const { code, stdout, stderr } = await docktor(["status", "--json"], { env });
    expect({ code, stderr }).toEqual({ code: 0, stderr: "" });
    const partition = (n: number): object => ({
      partition: n,
      owner: "b",
      epoch: 2,
      checkpoint: 0,
      lag: n === partitionOf("key-0", 4) ? 10 : 0,
    });
    const status = JSON.parse(stdout) as GroupStatus;
    expect(status).toEqual({
      stream: STREAM,
      group: GROUP,
      members: [
        { id: "b", state: "active", partitions: [0, 1, 2, 3], startedAt: expect.any(String) },
      ],
      partitions: [0, 1, 2, 3].map(partition),
      totals: { lag: 10, rateIn: 0, rateOut: 0 },
    });
    const [member, first] = [status.members[0], status.partitions[0]];
    expect(new Date(member?.startedAt ?? "").toISOString()).toBe(member?.startedAt);
    expect(Object.keys(status)).toEqual(["stream", "group", "members", "partitions", "totals"]);
    expect(Object.keys(member ?? {})).toEqual(["id", "state", "partitions", "startedAt"]);
    expect(Object.keys(first ?? {})).toEqual(["partition", "owner", "epoch", "checkpoint", "lag"]);
    expect(Object.keys(status.totals)).toEqual(["lag", "rateIn", "rateOut"]);

    const shown = await docktor(["status"], { env });
    expect(shown.stdout).toMatch(/^b {7}active {5}4 {2}0-3 /m);
    expect(shown.stdout).toMatch(/^lag 10, in 0\/s, out 0\/s \(rates from a sample of 500 ms\)$/m);
    await stopped(busy, "SIGKILL");
  });

  test("tells who is dead when nobody is left to find out, until somebody is", async () => {
    const { url } = await start();
    const env = { NATS_URL: url, PARTITIONS: "4", SESSION_TTL_MS: "500" };
    const first = new Docktor(["consume", "--member-id=a", "--json"], { env });
    await first.says('"partitions":[0,1,2,3]');
    await stopped(first, "SIGKILL");
    const members = async (): Promise<string> =>
      (await statusOf(url)).members
        .map(({ id, state, partitions }) => `${id} ${state} ${partitions.join()}`)
        .join();
    await eventually("a is dead", async () => (await members()) === "a dead 0,1,2,3");
    const shown = await docktor(["status"], { env });
    expect(shown.stdout).toMatch(/^a {7}dead {6}4 {2}0-3 {9}-$/m);
    expect(shown.stdout).toContain(
      "no live members: start your service; docktor consume would handle its messages by doing nothing",
    );

    const second = new Docktor(["consume", "--member-id=b"], { env });
    await eventually("b has all", async () => (await members()) === "b active 0,1,2,3");
    expect(await stopped(second)).toMatchObject({ code: 0 });
  });

  test("an unknown group is told, and nobody is sent to join it", async () => {
    const { url } = await start();
    const env = { NATS_URL: url };
    await docktor(["publish", "--count", "0"], { env });
    const ended = await docktor(["status", "--group", "NOBODY"], { env });
    expect(complaint(ended)).toContain("no group NOBODY on stream EVENTS");
    // A member of our own would take what its service has not handled yet.
    expect(complaint(ended)).not.toContain("consume");
    expect(ended).toMatchObject({ code: 1, stdout: "" });
  });

  test("an unknown stream is told from an unknown group", async () => {
    const { url } = await start();
    const ended = await docktor(["status", "--stream", "NOWHERE"], { env: { NATS_URL: url } });
    expect(complaint(ended)).toContain("stream NOWHERE does not exist: look at its name");
    expect(ended).toMatchObject({ code: 1, stdout: "" });
  });
});

describeOnEachServer("docktor", ({ start }) => {
  test.each(["publish", "consume", "status"])("%s on a server without JetStream", async (name) => {
    const { url } = await start({ jetstream: false });
    const ended = await docktor([name], { env: { NATS_URL: url } });
    expect(complaint(ended)).toContain("has no JetStream");
    expect(ended.stderr.trim().split("\n")).toHaveLength(1);
    expect(ended.code).toBe(1);
  });

  test.each(["publish", "consume"])("%s on a stream with other subjects", async (command) => {
    const { url } = await start();
    const { manager } = await link(url);
    await manager.streams.add({ name: STREAM, subjects: ["other.>"] });
    const ended = await docktor([command], { env: { NATS_URL: url } });
    expect(complaint(ended)).toContain("stores other.>, which does not cover events.p.0");
    expect(ended.stderr.trim().split("\n")).toHaveLength(1);
    expect(ended.code).toBe(2);
    const { config } = await manager.streams.info(STREAM);
    expect(config.subjects).toEqual(["other.>"]);
  });

  test.each(["publish", "consume"])("%s where another stream has the subjects", async (command) => {
    const { url } = await start();
    const { manager } = await link(url);
    await manager.streams.add({ name: "LEGACY", subjects: ["events.>"] });
    const ended = await docktor([command], { env: { NATS_URL: url } });
    expect(complaint(ended)).toContain(
      "stream EVENTS cannot be created: another one, LEGACY, stores messages of events.p.* already",
    );
    expect(ended.stderr.trim().split("\n")).toHaveLength(1);
    expect(ended.code).toBe(2);
  });

  test.each(["publish", "consume"])("%s on a stream that would lose messages", async (command) => {
    const { url } = await start();
    const { manager } = await link(url);
    const retention = RetentionPolicy.Interest;
    await manager.streams.add({ name: STREAM, subjects: ["events.p.*"], retention });
    const ended = await docktor([command], { env: { NATS_URL: url } });
    expect(complaint(ended)).toContain("interest retention");
    expect(ended.code).toBe(1);
  });
});
