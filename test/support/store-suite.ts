/** What every store must do; run over the one in memory and over KV on each server. */
import { expect, test } from "vitest";
import { ABSENT, type Entry, type SessionStore } from "../../src/lease/store.ts";

const conflict = expect.objectContaining({ code: "CONFLICT" });

export function storeSuite(open: () => Promise<SessionStore>): void {
  test("has nothing under a key that was never written", async () => {
    const store = await open();
    expect(await store.get("lease.0")).toBeUndefined();
  });

  test("returns what was written, at the revision that the write returned", async () => {
    const store = await open();
    const revision = await store.write("lease.0", { epoch: 1 }, ABSENT);
    expect(await store.get("lease.0")).toEqual({ key: "lease.0", value: { epoch: 1 }, revision });
  });

  test("creates a key only once", async () => {
    const store = await open();
    await store.write("lease.0", { by: "a" }, ABSENT);
    await expect(store.write("lease.0", { by: "b" }, ABSENT)).rejects.toEqual(conflict);
    expect((await store.get("lease.0"))?.value).toEqual({ by: "a" });
  });

  test("updates a key only at the expected revision", async () => {
    const store = await open();
    const first = await store.write("lease.0", { n: 1 }, ABSENT);
    const second = await store.write("lease.0", { n: 2 }, first);
    expect(second).toBeGreaterThan(first);
    await expect(store.write("lease.0", { n: 3 }, first)).rejects.toEqual(conflict);
    expect((await store.get("lease.0"))?.value).toEqual({ n: 2 });
  });

  test("lets one of many writers at the same revision win", async () => {
    const store = await open();
    const revision = await store.write("lease.0", { by: "nobody" }, ABSENT);
    const outcomes = await Promise.allSettled(
      Array.from({ length: 20 }, (_, n) => store.write("lease.0", { by: n }, revision)),
    );
    const won = outcomes.flatMap((outcome, n) => (outcome.status === "fulfilled" ? [n] : []));
    expect(won).toHaveLength(1);
    expect((await store.get("lease.0"))?.value).toEqual({ by: won[0] });
  });

  test("deletes a key only at the expected revision, after which it can be created again", async () => {
    const store = await open();
    const revision = await store.write("m-1", { n: 1 }, ABSENT);
    await expect(store.delete("m-1", revision + 1)).rejects.toEqual(conflict);
    await store.delete("m-1", revision);
    expect(await store.get("m-1")).toBeUndefined();
    await expect(store.write("m-1", { n: 2 }, revision)).rejects.toEqual(conflict);
    await store.write("m-1", { n: 3 }, ABSENT);
    expect((await store.get("m-1"))?.value).toEqual({ n: 3 });
  });

  test("tells the newest revision among the keys that match", async () => {
    const store = await open();
    expect(await store.newest("lease.*")).toBe(ABSENT);
    const first = await store.write("lease.0", { n: 1 }, ABSENT);
    const second = await store.write("lease.roster", { n: 2 }, ABSENT);
    await store.write("checkpoint.0", { n: 3 }, ABSENT);
    expect(await store.newest("lease.*")).toBe(second);
    expect(await store.newest("lease.*")).toBeGreaterThan(first);
    const third = await store.write("lease.0", { n: 4 }, first);
    expect(await store.newest("lease.*")).toBe(third);
  });

  test("a watch shows what is there in order of revisions, then every change, and ends quietly", async () => {
    const store = await open();
    const first = await store.write("lease.0", { n: 1 }, ABSENT);
    await store.write("lease.1", { n: 2 }, ABSENT);
    await store.write("checkpoint.1", { n: 3 }, ABSENT);
    await store.write("lease.0", { n: 4 }, first);
    const stop = new AbortController();
    const seen: Entry[] = [];
    for await (const entry of store.watch("lease.*", stop.signal)) {
      seen.push(entry);
      if (seen.length === 2) await store.write("lease.2", { n: 5 }, ABSENT);
      if (seen.length === 3) stop.abort();
    }
    expect(seen.map((entry) => [entry.key, entry.value])).toEqual([
      ["lease.1", { n: 2 }],
      ["lease.0", { n: 4 }],
      ["lease.2", { n: 5 }],
    ]);
    const revisions = seen.map((entry) => entry.revision);
    expect(revisions).toEqual([...revisions].sort((a, b) => a - b));
  });

  test("tells which keys are live, and forgets those not written for the time to live", async () => {
    const store = await open();
    await store.setTtl(600);
    expect((await store.live()).ttlMs).toBe(600);
    let kept = await store.write("kept", { n: 0 }, ABSENT);
    await store.write("left", { n: 0 }, ABSENT);
    expect((await store.live()).keys).toEqual(new Set(["kept", "left"]));
    while ((await store.live()).keys.has("left")) {
      kept = await store.write("kept", { n: kept }, kept);
    }
    expect((await store.live()).keys).toEqual(new Set(["kept"]));
    expect(await store.get("left")).toBeUndefined();
    await store.write("left", { n: 1 }, ABSENT);
  });
}
