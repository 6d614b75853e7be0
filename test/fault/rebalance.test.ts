import { setTimeout as sleep } from "node:timers/promises";
import { expect, test } from "vitest";
import { judge } from "../../src/record/oracle.ts";
import type { ProcessedRecord } from "../../src/record/record.ts";
import { eventually } from "../support/group.ts";
import { Load } from "../support/load.ts";
import { MemberProcesses } from "../support/processes.ts";
import { describeOnEachServer } from "../support/servers.ts";

const PARTITIONS = 32;
const TTL_MS = 2_000;
const WINDOW = 2_048;
const BACKLOG = 100_000;
/** Asking for the lag of every partition is a load of its own. */
const LAG_INTERVAL_MS = 500;

/** A partition that does not move may not pause; this allows for two busy cores. */
const LONGEST_PAUSE_MS = 3_000;

const clean = { lost: 0, outOfOrder: 0, sharedEpochs: 0, staleEpochs: 0 };

describeOnEachServer("a group of processes", ({ name, start }) => {
  test("shares 100,000 messages while members come and go: 0 lost, 0 twice, order kept, no pause", async () => {
    const { url } = await start();
    const load = await Load.connect(url, { partitions: PARTITIONS, keys: 1_000 });
    // Nobody dies here, and on busy cores nobody should be taken for dead.
    const group = new MemberProcesses(url, { partitions: PARTITIONS, ttlMs: 5_000 });
    await group.join("m1");
    // At full speed, and then on for as long as members come and go, so that there is always work;
    // but not without end: the server itself gets slow with a backlog that only grows.
    let moving = true;
    const publishing = (async () => {
      await load.publish(BACKLOG);
      for (; moving; await sleep(LAG_INTERVAL_MS)) {
        if ((await group.lag()) < BACKLOG) await load.publish(10_000);
      }
    })();
    for (const id of ["m2", "m3", "m4", "m5"]) await group.join(id);
    const codes: (number | null)[] = [];
    for (const id of ["m1", "m2", "m3", "m4"]) codes.push(await group.end(id, "SIGTERM"));
    moving = false;
    await publishing;
    await group.caughtUp();
    codes.push(await group.end("m5", "SIGTERM"));

    const records = group.records();
    const verdict = judge(load.published, records);
    const pause = longestPauseMs(load.published, records);
    console.info(
      `${name}: ${JSON.stringify(verdict)}, longest pause of an unmoved partition ${pause} ms`,
    );
    expect(codes).toEqual([0, 0, 0, 0, 0]);
    expect(verdict.published).toBeGreaterThanOrEqual(BACKLOG);
    expect(verdict).toMatchObject({ ...clean, duplicated: 0 });
    expect(pause).toBeLessThan(LONGEST_PAUSE_MS);
  }, 120_000);

  test("takes over from a killed member of five under load: 0 lost, few twice, flowing again within TTL + 1 s", async () => {
    const { url } = await start();
    const load = await Load.connect(url, { partitions: PARTITIONS, keys: 1_000, rate: 5_000 });
    const group = new MemberProcesses(url, { partitions: PARTITIONS, ttlMs: TTL_MS });
    for (const id of ["m1", "m2", "m3", "m4", "m5"]) await group.join(id);
    load.start();
    const victim = (await group.status()).members.find(({ id }) => id === "m3");
    const orphans = victim?.partitions ?? [];
    expect(orphans.length).toBeGreaterThanOrEqual(6);
    await eventually("the load flows", () => group.records().length > 5_000);

    const killedAt = Date.now();
    await group.end("m3", "SIGKILL");
    const resumedAfterMs = await resumed(group, orphans, killedAt);
    await load.end();
    await group.caughtUp();
    for (const id of group.running) await group.end(id, "SIGTERM");

    const verdict = judge(load.published, group.records());
    console.info(
      `${name}: ${JSON.stringify(verdict)}, last of ${orphans.length} orphaned partitions flowed again after ${resumedAfterMs} ms (TTL ${TTL_MS} ms)`,
    );
    expect(verdict).toMatchObject(clean);
    expect(verdict.duplicated).toBeLessThanOrEqual(WINDOW * orphans.length);
    expect(resumedAfterMs).toBeLessThan(TTL_MS + 1_000);
  }, 60_000);
});

/**
 * The longest time for which a partition did nothing in the midst of an epoch, although a message
 * was stored and the one before it was processed.
 */
function longestPauseMs(published: Load["published"], records: readonly ProcessedRecord[]): number {
  const storedAt = new Map(published.map((message) => [message.sequence, message.storedAt]));
  const last = new Map<string, number>();
  let longest = 0;
  for (const { partition, epoch, sequence, ts } of records) {
    const key = `${partition}/${epoch}`;
    const before = last.get(key);
    if (before !== undefined) {
      longest = Math.max(longest, ts - Math.max(before, storedAt.get(sequence) ?? ts));
    }
    last.set(key, ts);
  }
  return longest;
}

/** When the last of the partitions was handled by a new owner, in milliseconds since the kill. */
async function resumed(
  group: MemberProcesses,
  partitions: readonly number[],
  killedAt: number,
): Promise<number> {
  const firsts = (): number[] => {
    const records = group.records().filter(({ member, ts }) => member !== "m3" && ts >= killedAt);
    return partitions.map(
      (partition) => records.find((record) => record.partition === partition)?.ts ?? Number.NaN,
    );
  };
  await eventually("all orphans flow again", () => firsts().every(Number.isFinite));
  return Math.max(...firsts()) - killedAt;
}
