import { expect, test } from "vitest";
import { type KvStore, openBucket } from "../../src/lease/kv-store.ts";
import { closeAfterTest, link } from "../support/group.ts";
import { startProxy } from "../support/proxy.ts";
import { describeOnEachServer } from "../support/servers.ts";
import { storeSuite } from "../support/store-suite.ts";

describeOnEachServer("the store over KV", ({ start }) => {
  storeSuite(async () => {
    const { url } = await start();
    return await openBucket(await link(url), "test", { replicas: 1 });
  });

  test.each([
    ["read", (store: KvStore) => store.get("key")],
    ["look at the live keys", (store: KvStore) => store.live()],
    ["look at the newest revision", (store: KvStore) => store.newest("*")],
  ])("a %s waits no longer than it was told for an answer that does not come", async (...args) => {
    const [, ask] = args;
    const proxy = await startProxy((await start()).port);
    closeAfterTest(() => proxy.close());
    const options = { replicas: 1, requestTimeoutMs: 250 };
    const store = await openBucket(await link(proxy.url), "bucket", options);
    proxy.blackhole();
    const askedAt = performance.now();
    await expect(ask(store)).rejects.toMatchObject({ code: "TIMEOUT" });
    expect(performance.now() - askedAt).toBeLessThan(2_000);
    proxy.heal();
  });
});
