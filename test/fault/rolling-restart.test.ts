/** A rolling restart under load: each member is ended and started again under its id, one after another. */
import { expect, test } from "vitest";
import { findBucket } from "../../src/lease/kv-store.ts";
import { LEASE_FILTER, type LeaseRecord, partitionOfLeaseKey } from "../../src/lease/records.ts";
import { leasesBucket } from "../../src/partition/names.ts";
import { judge } from "../../src/record/oracle.ts";
import { closeAfterTest, eventually, GROUP, link, STREAM } from "../support/group.ts";
import { Load } from "../support/load.ts";
import { MemberProcesses } from "../support/processes.ts";
import { describeOnEachServer, describeOnNewestServer } from "../support/servers.ts";

const PARTITIONS = 32;
const MEMBERS = ["m1", "m2", "m3", "m4"];
/** What a killed member is waited for; where nobody dies, nobody should be taken for dead on busy cores. */
const TTL_MS = { SIGKILL: 2_000, SIGTERM: 10_000 };
/** More than a restart takes on busy cores. */
const RESTART_DELAY_MS = 30_000;
const WINDOW = 2_048;

const TITLE = "a rolling restart of four members under load";

const clean = { lost: 0, outOfOrder: 0, sharedEpochs: 0, staleEpochs: 0 };

describeOnEachServer(TITLE, ({ name, start }) => {
  test("by SIGTERM moves nothing: 0 lost, 0 twice, order kept", async () => {
    const { url } = await start();
    const { verdict, owners, codes } = await roll(url, "SIGTERM");
    console.info(`${name}: ${JSON.stringify(verdict)}`);
    expect(verdict).toMatchObject({ ...clean, duplicated: 0 });
    expect(owners.map((ids) => ids.size)).toEqual(owners.map(() => 1));
    expect(codes).toEqual([0, 0, 0, 0]);
  }, 90_000);
});

// Each crash is waited for.
describeOnNewestServer(TITLE, ({ name, start }) => {
  test("by SIGKILL moves nothing: 0 lost, few twice", async () => {
    const { url } = await start();
    const { verdict, owners } = await roll(url, "SIGKILL");
    console.info(`${name}: ${JSON.stringify(verdict)}`);
    expect(verdict).toMatchObject(clean);
    // Each partition is lost once, with what its owner had not committed.
    expect(verdict.duplicated).toBeLessThanOrEqual(WINDOW * PARTITIONS);
    expect(owners.map((ids) => ids.size)).toEqual(owners.map(() => 1));
  }, 90_000);
});

/** Ends each member and starts it again, and returns what came of it. */
async function roll(url: string, signal: "SIGTERM" | "SIGKILL") {
  const load = await Load.connect(url, { partitions: PARTITIONS, keys: 1_000, rate: 3_000 });
  const group = new MemberProcesses(url, {
    partitions: PARTITIONS,
    ttlMs: TTL_MS[signal],
    restartDelayMs: RESTART_DELAY_MS,
  });
  for (const id of MEMBERS) await group.join(id);
  const owners = await watchOwners(url);
  load.start();
  await eventually("the load flows", () => group.records().length > 3_000);
  const codes: (number | null)[] = [];
  for (const id of MEMBERS) {
    codes.push(await group.end(id, signal));
    await group.join(id);
  }
  await load.end();
  await group.caughtUp();
  const seen = owners.map((ids) => new Set(ids));
  for (const id of MEMBERS) await group.end(id, "SIGTERM");
  return { verdict: judge(load.published, group.records()), owners: seen, codes };
}

/** By partition, the ids of all that own it, or for whom it is kept, from now on. */
async function watchOwners(url: string): Promise<Set<string>[]> {
  const leases = await findBucket(await link(url), leasesBucket(STREAM, GROUP));
  const owners = Array.from({ length: PARTITIONS }, () => new Set<string>());
  const stop = new AbortController();
  closeAfterTest(async () => stop.abort());
  void (async () => {
    for await (const { key, value } of leases?.watch(LEASE_FILTER, stop.signal) ?? []) {
      const { owner, next } = value as LeaseRecord;
      const partition = partitionOfLeaseKey(key);
      if (partition !== undefined) owners[partition]?.add(owner ?? next ?? "nobody");
    }
  })();
  await eventually("every partition has an owner", () => owners.every((ids) => ids.size > 0));
  return owners;
}
