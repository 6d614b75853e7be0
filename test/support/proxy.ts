import { once } from "node:events";
import { type AddressInfo, createConnection, createServer, type Socket } from "node:net";

/** A wire between one member and its server, to be cut in tests. */
export interface Proxy {
  /** What the member connects to. */
  readonly url: string;
  /** Breaks all connections and refuses new ones, like a server that is down. */
  cut: () => void;
  /** Keeps connections open but lets nothing through, like a network that drops packets. */
  blackhole: () => void;
  /** Lets everything through again, also what was held back. */
  heal: () => void;
  close: () => Promise<void>;
}

/** Starts a proxy to a port of this machine. */
export async function startProxy(targetPort: number): Promise<Proxy> {
  let state: "open" | "cut" | "blackhole" = "open";
  const sockets = new Set<Socket>();

  function forward(from: Socket, to: Socket): void {
    sockets.add(from);
    from.setNoDelay(true);
    from.on("data", (chunk) => {
      if (!to.write(chunk)) from.pause();
    });
    to.on("drain", () => {
      if (state !== "blackhole") from.resume();
    });
    from.on("end", () => to.end());
    // An error is followed by "close", where it is handled.
    from.on("error", () => {});
    from.on("close", () => {
      sockets.delete(from);
      to.destroy();
    });
    if (state === "blackhole") from.pause();
  }

  const listener = createServer({ allowHalfOpen: true }, (client) => {
    if (state === "cut") {
      client.resetAndDestroy();
      return;
    }
    const target = createConnection({ host: "127.0.0.1", port: targetPort, allowHalfOpen: true });
    forward(client, target);
    forward(target, client);
  });
  listener.listen(0, "127.0.0.1");
  await once(listener, "listening");
  const { port } = listener.address() as AddressInfo;

  function destroyAll(): void {
    for (const socket of sockets) socket.destroy();
  }

  return {
    url: `nats://127.0.0.1:${port}`,
    cut() {
      state = "cut";
      destroyAll();
    },
    blackhole() {
      state = "blackhole";
      for (const socket of sockets) socket.pause();
    },
    heal() {
      state = "open";
      for (const socket of sockets) socket.resume();
    },
    async close() {
      destroyAll();
      listener.close();
      await once(listener, "close");
    },
  };
}
