import { afterEach } from "vitest";
import { openBucket } from "../../src/lease/kv-store.ts";
import { type Link, openLink } from "../../src/nats/connection.ts";
import { describeOnEachServer } from "../support/servers.ts";
import { storeSuite } from "../support/store-suite.ts";

describeOnEachServer("the store over KV", ({ start }) => {
  const links: Link[] = [];
  afterEach(async () => {
    await Promise.all(links.splice(0).map((link) => link.close()));
  });
  storeSuite(async () => {
    const server = await start();
    const link = await openLink({ servers: server.url }, "test");
    links.push(link);
    return await openBucket(link, "test", { replicas: 1 });
  });
});
