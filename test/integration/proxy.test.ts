import { connect } from "@nats-io/transport-node";
import { expect, test } from "vitest";
import { startProxy } from "../support/proxy.ts";
import { describeOnEachServer } from "../support/servers.ts";

describeOnEachServer("proxy", ({ start }) => {
  test("lets through, holds back, lets through again, cuts", async () => {
    const server = await start();
    const proxy = await startProxy(server.port);
    const direct = await connect({ servers: server.url });
    const proxied = await connect({ servers: proxy.url, reconnect: false });
    await proxied.flush();

    proxy.blackhole();
    let through = false;
    const flushed = proxied.flush().then(() => {
      through = true;
    });
    for (let round = 0; round < 20; round++) await direct.flush();
    expect(through).toBe(false);

    proxy.heal();
    await flushed;

    proxy.cut();
    await proxied.closed();
    await expect(connect({ servers: proxy.url, reconnect: false })).rejects.toThrow();

    proxy.heal();
    const again = await connect({ servers: proxy.url });
    await again.close();
    await direct.close();
    await proxy.close();
  });
});
