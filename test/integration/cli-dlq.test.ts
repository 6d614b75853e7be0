import { expect, test } from "vitest";
import type { Message } from "../../src/consumer/message.ts";
import type { PoisonPolicy } from "../../src/consumer/dead-letters/poison.ts";
import { complaint, docktor, type Ended } from "../support/cli.ts";
import { eventually, member, publish } from "../support/group.ts";
import { describeOnEachServer } from "../support/servers.ts";

type Line = Record<string, unknown>;

const objects = ({ stdout }: Ended): Line[] =>
  stdout
    .trimEnd()
    .split("\n")
    .filter((line) => line !== "")
    .map((line) => JSON.parse(line) as Line);

describeOnEachServer("docktor dlq", ({ start }) => {
  const stored = async (url: string, ...names: string[]): Promise<void> => {
    const headers = { trace: "t" };
    const messages = names.map((name) => ({ key: name.slice(0, 1), data: name, headers }));
    await publish(url, messages, 1);
  };

  /** A group of one member that has set aside all of these, and handles what is not broken any more. */
  const setAside = async (url: string, policy: PoisonPolicy, ...names: string[]) => {
    await stored(url, ...names);
    const broken = new Set(names);
    const handled: string[] = [];
    const told = { handled: (): void => {} };
    let aside = 0;
    const poison = { policy, maxAttempts: 1 };
    const consumer = member(url, { partitions: 1, memberId: "m", poison });
    consumer.on("message:dead-lettered", () => aside++);
    const eachMessage = (message: Message): void => {
      if (broken.has(message.string()))
        throw new Error(`no\u001b[31m price\nfor ${message.string()}`);
      handled.push(message.string());
      told.handled();
    };
    await consumer.run({ eachMessage });
    await eventually("all are set aside", () => aside === names.length);
    return { consumer, broken, handled, told, eachMessage };
  };

  test("list is a table for people and a line for each letter for programs", async () => {
    const { url } = await start();
    const env = { NATS_URL: url };
    await publish(url, [], 1);
    const none = await docktor(["dlq", "list"], { env });
    expect(none).toEqual({ code: 0, stdout: "no dead letters of stream EVENTS\n", stderr: "" });
    await setAside(url, "dead-letter", "a1", "b2");

    const { stdout, stderr, code } = await docktor(["dlq", "list"], { env });
    expect({ stderr, code }).toEqual({ stderr: "", code: 0 });
    expect(stdout.split("\n")).toEqual([
      expect.stringMatching(
        /^ID {2}GROUP {4}PARTITION {2}KEY {2}REASON {2}ATTEMPTS {2}ERROR +AGE$/,
      ),
      expect.stringMatching(
        /^ 1 {2}WORKERS +0 {2}a {4}failed +1 {2}no +\[31m price for a1 +[\d.]+ m?s$/,
      ),
      expect.stringMatching(
        /^ 2 {2}WORKERS +0 {2}b {4}failed +1 {2}no +\[31m price for b2 +[\d.]+ m?s$/,
      ),
      "",
    ]);
    const listed = objects(await docktor(["dlq", "list", "--json"], { env }));
    expect(listed.map(({ id }) => id)).toEqual([1, 2]);
    expect(listed[0]).toEqual({
      id: 1,
      group: "WORKERS",
      partition: 0,
      key: "a",
      reason: "failed",
      attempts: 1,
      error: "no\u001b[31m price for a1",
      memberId: "m",
      setAsideAt: expect.any(String),
      origin: { subject: "events.p.0", sequence: 1, timestamp: expect.any(String) },
    });
    const other = await docktor(["dlq", "list", "--json"], { env: { ...env, GROUP: "OTHER" } });
    expect(other).toEqual({ code: 0, stdout: "", stderr: "" });
    const bad = await docktor(["dlq", "list", "--group", "a.b"], { env });
    expect(complaint(bad)).toContain('group "a.b" is not a valid name');
    expect(bad.code).toBe(2);
  });

  test("show tells all of one letter, its data as text or else in base64", async () => {
    const { url } = await start();
    const env = { NATS_URL: url };
    await setAside(url, "dead-letter", "line 1\nline 2", "z\u0000");

    const shown = await docktor(["dlq", "show", "1"], { env });
    expect(shown).toMatchObject({ code: 0, stderr: "" });
    for (const line of [
      /^dead letter {2}1$/m,
      /^origin +events\.p\.0, sequence 1, 20.*Z$/m,
      /^set aside +20.*Z \([\d.]+ m?s ago\) by m$/m,
      /^trace +t$/m,
      /^data, 13 bytes:\nline 1\nline 2$/m,
    ]) {
      expect(shown.stdout).toMatch(line);
    }
    expect(objects(await docktor(["dlq", "show", "1", "--json"], { env }))).toMatchObject([
      { id: 1, key: "l", headers: { trace: "t" }, data: "line 1\nline 2", encoding: "utf8" },
    ]);
    const binary = await docktor(["dlq", "show", "2"], { env });
    expect(binary.stdout).toMatch(/^data, 2 bytes in base64:\negA=$/m);

    const missing = await docktor(["dlq", "show", "99"], { env });
    expect(missing).toMatchObject({ code: 1, stdout: "" });
    expect(complaint(missing)).toContain('no dead letter 99: list them with "docktor dlq list');
  });

  test("replay has them handled in order, and says so", async () => {
    const { url } = await start();
    const env = { NATS_URL: url };
    const { broken, handled } = await setAside(url, "dead-letter", "a1", "b2", "a3");
    broken.clear();
    const ended = await docktor(["dlq", "replay", "3", "1"], { env });
    expect(ended).toMatchObject({ code: 0, stderr: "" });
    expect(ended.stdout).toMatch(/^ID {2}GROUP {4}PARTITION {2}KEY {2}OUTCOME\n 3 .*handled\n 1 /);
    expect(ended.stdout).toMatch(/^replayed 2 dead letters of stream EVENTS in .*: 2 handled, 0/m);
    const rest = await docktor(["dlq", "replay", "--all", "--json"], { env });
    expect(objects(rest)).toEqual([
      { id: 2, group: "WORKERS", partition: 0, key: "b", outcome: "handled" },
      { handled: 1, failed: 0, pending: 0, left: 0, durationMs: expect.any(Number) },
    ]);
    expect(handled).toEqual(["a3", "a1", "b2"]);
    const gone = await docktor(["dlq", "replay", "1"], { env });
    expect(gone.code).toBe(1);
    expect(complaint(gone)).toContain("no dead letter 1");
    expect(await docktor(["dlq", "replay", "--all"], { env })).toMatchObject({
      code: 0,
      stderr: "",
    });
  });

  test("replay --key goes on until nothing of a parked key is left", async () => {
    const { url } = await start();
    const env = { NATS_URL: url };
    const { broken, handled, told } = await setAside(url, "park-key", "a1", "b2", "a3");
    broken.clear();
    // Comes while the first ones are replayed: it follows its key into the dead letters.
    let published: Promise<void> | undefined;
    told.handled = () => void (published ??= stored(url, "a4"));
    const ended = await docktor(["dlq", "replay", "--key", "a", "--json"], { env });
    await published;
    await eventually("the last one is handled", () => handled.includes("a4"));
    expect(ended.code).toBe(0);
    expect(objects(ended).at(-1)).toMatchObject({ failed: 0, pending: 0, left: 0 });
    expect(handled).toEqual(["a1", "a3", "a4"]);
    expect(objects(await docktor(["dlq", "list", "--json"], { env }))).toMatchObject([
      { key: "b" },
    ]);
  });

  test("replay exits with 1 and says what to do when something fails again, or nobody gets to it", async () => {
    const { url } = await start();
    const env = { NATS_URL: url };
    const { consumer, broken, eachMessage } = await setAside(url, "dead-letter", "a1", "b2");
    broken.delete("a1");
    const failed = await docktor(["dlq", "replay", "--all"], { env });
    expect(failed.code).toBe(1);
    expect(failed.stdout).toContain("1 handled, 1 failed, 0 pending");
    expect(complaint(failed)).toContain("mend the handler, and replay again");

    await consumer.drain();
    const pending = await docktor(["dlq", "replay", "2", "--timeout-ms", "200"], { env });
    expect(pending.code).toBe(1);
    expect(pending.stdout).toContain("0 handled, 0 failed, 1 pending");
    expect(complaint(pending)).toContain("1 not reached by a member of WORKERS within 200 ms");
    broken.clear();
    await member(url, { partitions: 1 }).run({ eachMessage });
    await eventually("it is handled once a member gets to it", async () => {
      return (await docktor(["dlq", "list", "--json"], { env })).stdout === "";
    });
  });
});
