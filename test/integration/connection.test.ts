import { expect, test } from "vitest";
import { openLink } from "../../src/nats/connection.ts";
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
    const link = await openLink({ servers: url.replace("//", "//s3cret@") }, "test");
    await link.close();
  });
});
