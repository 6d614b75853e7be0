import { once } from "node:events";
import { type AddressInfo, createServer, type Socket } from "node:net";
import { expect, test } from "vitest";
import { openLink } from "../../src/nats/connection.ts";
import { closeAfterTest, link } from "../support/group.ts";
import { startProxy } from "../support/proxy.ts";
import { describeOnEachServer } from "../support/servers.ts";

describeOnEachServer("a connection", ({ start }) => {
  test("to a tls:// address refuses a server without TLS", async () => {
    const server = await start({ extraConfig: "authorization { user: ada, password: geheim }" });
    const encrypted = server.url.replace("nats://", "tls://ada:geheim@");
    await expect(openLink({ servers: encrypted }, "test")).rejects.toMatchObject({
      code: "CONNECTION_FAILED",
      message: expect.stringMatching(/^the NATS server at tls:.* does not offer TLS/),
    });
    const plain = await openLink({ servers: encrypted.replace("tls://", "nats://") }, "test");
    await plain.close();
  });

  test("uses the user and password, or the token, of its address", async () => {
    const { url } = await start({ extraConfig: "authorization { token: s3cret }" });
    await expect(openLink({ servers: url }, "test")).rejects.toMatchObject({
      code: "NOT_AUTHORIZED",
    });
    const admitted = await openLink({ servers: url.replace("//", "//s3cret@") }, "test");
    await admitted.close();
  });

  test("fails what is asked of JetStream when it breaks, as the answer is lost with it", async () => {
    const proxy = await startProxy((await start()).port);
    closeAfterTest(() => proxy.close());
    const { manager, jetstream } = await link(proxy.url);
    proxy.blackhole();
    const asked = [manager.streams.info("S"), manager.consumers.info("S", "c")];
    const answers = Promise.allSettled([...asked, jetstream.publish("s", "", { timeout: 5_000 })]);
    const cutAt = performance.now();
    proxy.cut();
    for (const { status } of await answers) expect(status).toBe("rejected");
    expect(performance.now() - cutAt).toBeLessThan(2_000);
    // Meanwhile nothing gets out, and afterwards it is too late.
    const meanwhile = manager.getAccountInfo();
    const healedAt = performance.now();
    proxy.heal();
    await expect(meanwhile).rejects.toThrow("timeout");
    expect(performance.now() - healedAt).toBeLessThan(2_000);
    await expect(manager.getAccountInfo()).resolves.toBeDefined();
  });
});

test("a connection to a server that takes it and says nothing, as one that is just dying, is given up in time, and closed", async () => {
  const mute = createServer().listen(0, "127.0.0.1");
  closeAfterTest(async () => void mute.close());
  await once(mute, "listening");
  const { port } = mute.address() as AddressInfo;
  const taken = once(mute, "connection") as Promise<[Socket]>;
  const begunAt = performance.now();
  await expect(openLink({ servers: `127.0.0.1:${port}` }, "test")).rejects.toMatchObject({
    code: "CONNECTION_FAILED",
    message: expect.stringContaining("no NATS server answers"),
  });
  expect(performance.now() - begunAt).toBeLessThan(7_000);
  const [socket] = await taken;
  // Else this process could not end.
  if (!socket.resume().closed) await once(socket, "close");
}, 10_000);
