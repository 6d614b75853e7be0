/** Restarts under a stable member id, on real servers. */
import { expect, test } from "vitest";
import { describeGroup, type GroupStatus } from "../../src/partition/group-status.ts";
import { judge } from "../../src/record/oracle.ts";
import { eventually, GROUP, member, numbered, publish, Records, STREAM } from "../support/group.ts";
import { describeOnEachServer } from "../support/servers.ts";

const TTL = 1_000;
const clean = { lost: 0, outOfOrder: 0, sharedEpochs: 0, staleEpochs: 0 };
const inUse = expect.objectContaining({ code: "MEMBER_ID_IN_USE" });

describeOnEachServer("a member that may be restarted", ({ start }) => {
  /** So long that nothing here can come of its being over. */
  const session = { ttlMs: TTL, restartDelayMs: 60_000 };

  /** Starts a process under the id, with what it is told about other partitions than its own. */
  async function run(
    url: string,
    memberId: string,
    records: Records,
    options: { ttlMs: number; restartDelayMs?: number } = session,
  ): Promise<ReturnType<typeof member> & { readonly moves: string[] }> {
    const consumer = member(url, { memberId, session: options, commit: { intervalMs: 20 } });
    const moves: string[] = [];
    consumer.on("partition:claimed", ({ partition }) => moves.push(`claimed ${partition}`));
    consumer.on("partition:released", ({ partition }) => moves.push(`released ${partition}`));
    consumer.on("partition:lost", ({ partition }) => moves.push(`lost ${partition}`));
    await consumer.run({ eachMessage: records.handler(memberId) });
    return Object.assign(consumer, { moves });
  }

  /** Two members that have shared the partitions. */
  async function pair(url: string, records: Records, options = session) {
    const a = await run(url, "a", records, options);
    const b = await run(url, "b", records, options);
    const even = (): boolean => a.assignment.length === 2 && b.assignment.length === 2;
    await eventually("they share the partitions", even);
    for (const { moves } of [a, b]) moves.splice(0);
    return { a, b };
  }

  const status = (url: string): Promise<GroupStatus> =>
    describeGroup({ servers: url, stream: STREAM, group: GROUP, sampleMs: 0 });
  const states = async (url: string): Promise<Record<string, string>> =>
    Object.fromEntries((await status(url)).members.map(({ id, state }) => [id, state]));

  test("goes on where it was when it is drained and comes back: nothing moves, is lost or comes twice", async () => {
    const { url } = await start();
    const records = new Records();
    const { a, b } = await pair(url, records);
    const [before, published] = [b.assignment, await publish(url, numbered(400))];
    await eventually("they are at work", () => records.count > 0);
    await b.drain();
    expect(await states(url)).toEqual({ a: "active", b: "restarting" });
    published.push(...(await publish(url, numbered(400))));
    const after = await run(url, "b", records);
    await eventually("all is handled", () => records.count === published.length);

    expect(judge(published, records.all)).toMatchObject({ ...clean, duplicated: 0 });
    expect([a.moves, after.assignment]).toEqual([[], before]);
    const owners = new Set(records.all.map(({ partition, member: id }) => `${partition} ${id}`));
    expect(owners.size).toBe(4);
    expect(await states(url)).toEqual({ a: "active", b: "active" });
    expect([a.errors, b.errors, after.errors]).toEqual([[], [], []]);
  });

  test("goes on where it was when it crashes and comes back: nothing moves or is lost", async () => {
    const { url } = await start();
    const records = new Records();
    const { a, b } = await pair(url, records);
    const [before, published] = [b.assignment, await publish(url, numbered(400))];
    await eventually("they are at work", () => records.count > 0);
    await b.close();
    published.push(...(await publish(url, numbered(400))));
    // It waits for the session of its earlier life, which the others find gone at the same time.
    const after = await run(url, "b", records);
    await eventually("all is handled", () => records.count === published.length);

    expect(judge(published, records.all)).toMatchObject(clean);
    expect([a.moves, after.assignment]).toEqual([[], before]);
    expect([a.errors, after.errors]).toEqual([[], []]);
  });

  test("and does not come back in time leaves its partitions to the others", async () => {
    const { url } = await start();
    const records = new Records();
    const options = { ttlMs: TTL, restartDelayMs: 300 };
    const { a, b } = await pair(url, records, options);
    const drainedAt = performance.now();
    await b.drain();
    await eventually("the other has everything", () => a.assignment.length === 4);
    expect(performance.now() - drainedAt).toBeGreaterThanOrEqual(300);
    expect(await states(url)).toEqual({ a: "active" });
    expect(a.moves).toHaveLength(2);
  });

  test("comes back when nobody else is there, after a drain and after a crash", async () => {
    const { url } = await start();
    const records = new Records();
    const published = await publish(url, numbered(100));
    for (const end of ["drain", "close"] as const) {
      const alone = await run(url, "a", records);
      await eventually("it has everything", () => alone.assignment.length === 4);
      await eventually("all is handled", () => records.count === published.length);
      await alone[end]();
      published.push(...(await publish(url, numbered(100))));
    }
    const last = await run(url, "a", records);
    await eventually("all is handled", () => records.count === published.length);
    expect(judge(published, records.all)).toMatchObject(clean);
    await last.drain();
  });

  test("refuses a twin while it runs and while it is drained, and is not disturbed", async () => {
    const { url } = await start();
    const records = new Records();
    let finish = (): void => {};
    const held = new Promise<void>((resolve) => (finish = resolve));
    const first = member(url, { memberId: "a", session });
    await first.run({ eachMessage: records.handler("a", () => held) });
    await expect(run(url, "a", records)).rejects.toEqual(inUse);
    await eventually("it has everything", () => first.assignment.length === 4);
    const published = await publish(url, numbered(4));
    const drained = first.drain();
    const twin = member(url, { memberId: "a", session });
    await expect(twin.run({ eachMessage: records.handler("twin") })).rejects.toEqual(inUse);
    expect([twin.state, first.state, first.errors]).toEqual(["failed", "draining", []]);
    finish();
    await drained;
    await run(url, "a", records);
    await eventually("all is handled", () => records.count === published.length);
    expect(judge(published, records.all)).toMatchObject({ ...clean, duplicated: 0 });
    expect(records.all.every((record) => record.member === "a")).toBe(true);
  });
});

describeOnEachServer(
  "a group of which the members are restarted with another window",
  ({ start }) => {
    test("flows with the window of a partition's owner, whatever that of the one before was", async () => {
      const { url } = await start();
      const records = new Records();
      const before = member(url, { memberId: "before", commit: { window: 1 } });
      await before.run({ eachMessage: records.handler("before") });
      // So long between two commits that nothing here can come of them.
      const after = member(url, { memberId: "after", commit: { intervalMs: 60_000 } });
      await after.run({ eachMessage: records.handler("after") });
      await eventually("they share the partitions", () => after.assignment.length === 2);
      await before.drain();
      await eventually("the other has everything", () => after.assignment.length === 4);
      const published = await publish(url, numbered(400));
      await eventually("all is handled", () => records.count === published.length);
      expect(judge(published, records.all)).toMatchObject({ ...clean, duplicated: 0 });
      expect([before.errors, after.errors]).toEqual([[], []]);
    });
  },
);
