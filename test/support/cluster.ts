/** A JetStream cluster of three nats-servers on this machine, to be broken node by node. */
import { createServer } from "node:net";
import { jetstreamManager } from "@nats-io/jetstream";
import { connect } from "@nats-io/transport-node";
import { EmbeddedServer } from "../../src/nats/embedded-server.ts";

/** How many nodes: the fewest that outlive one. */
const NODES = 3;

/** How long the nodes may take to find each other and choose a leader. */
const READY_TIMEOUT_MS = 30_000;

/** Below the range from which systems take the ports of outgoing connections. */
const [LOWEST_PORT, HIGHEST_PORT] = [10_000, 32_000];

/** Three nodes that store what has three replicas on each of them. */
export class Cluster implements AsyncDisposable {
  readonly #nodes: readonly EmbeddedServer[];

  private constructor(nodes: readonly EmbeddedServer[]) {
    this.#nodes = nodes;
  }

  /**
   * Starts the nodes; resolves once they can store three replicas. Like any embedded server they are
   * gone with this process, however that ends.
   */
  static async start(binary?: string): Promise<Cluster> {
    const ports = await freePorts(NODES);
    const routes = ports.map((port) => `nats-route://127.0.0.1:${port}`);
    // One that failed to start must not leave the others behind.
    const starting = await Promise.allSettled(
      ports.map((port, i) =>
        EmbeddedServer.start({
          ...(binary === undefined ? {} : { binary }),
          extraConfig: nodeConfig(`n${i}`, port, routes),
        }),
      ),
    );
    const nodes = starting.flatMap((each) => (each.status === "fulfilled" ? [each.value] : []));
    const cluster = new Cluster(nodes);
    try {
      for (const each of starting) if (each.status === "rejected") throw each.reason;
      await cluster.#ready();
      return cluster;
    } catch (error) {
      await cluster.stop();
      throw error;
    }
  }

  /** The nodes; each can be killed and restarted. */
  get nodes(): readonly EmbeddedServer[] {
    return this.#nodes;
  }

  /** The node of that number. */
  node(index: number): EmbeddedServer {
    const node = this.#nodes[index];
    if (node === undefined) throw new Error(`there is no node ${index}`);
    return node;
  }

  /** What clients connect to: all nodes, as they are not told of the others. */
  get url(): string {
    return this.#nodes.map((node) => node.url).join(",");
  }

  get version(): string {
    return this.node(0).version;
  }

  /** Makes a stream's leader step down, and returns whether it did. */
  async stepDown(stream: string): Promise<boolean> {
    const connection = await connect({ servers: this.url.split(","), maxReconnectAttempts: 0 });
    try {
      const subject = `$JS.API.STREAM.LEADER.STEPDOWN.${stream}`;
      const answer = await connection.request(subject, undefined, { timeout: 2_000 });
      return answer.json<{ success?: boolean }>().success === true;
    } catch {
      // Nobody leads it at the moment.
      return false;
    } finally {
      await connection.close();
    }
  }

  /** The number of the node that leads a stream; undefined while none does. */
  async leaderOf(stream: string): Promise<number | undefined> {
    const connection = await connect({ servers: this.url.split(","), maxReconnectAttempts: 0 });
    try {
      const manager = await jetstreamManager(connection, { checkAPI: false });
      const leader = (await manager.streams.info(stream)).cluster?.leader;
      return leader === undefined ? undefined : Number(leader.slice(1));
    } catch {
      return undefined;
    } finally {
      await connection.close();
    }
  }

  async stop(): Promise<void> {
    await Promise.all(this.#nodes.map((node) => node.stop()));
  }

  async [Symbol.asyncDispose](): Promise<void> {
    await this.stop();
  }

  /** Resolves once a stream of three replicas can be made, which no status tells as well. */
  async #ready(): Promise<void> {
    const connection = await connect({ servers: this.url.split(",") });
    try {
      const deadline = performance.now() + READY_TIMEOUT_MS;
      const manager = await jetstreamManager(connection, { checkAPI: false, timeout: 2_000 });
      const probe = { name: "PROBE", subjects: ["probe"], num_replicas: NODES };
      for (;;) {
        try {
          await manager.streams.add(probe);
          await manager.streams.delete(probe.name);
          return;
        } catch (error) {
          if (performance.now() > deadline) throw error;
        }
        await new Promise((resolve) => setTimeout(resolve, 50));
      }
    } finally {
      await connection.close();
    }
  }
}

function nodeConfig(name: string, port: number, routes: readonly string[]): string {
  // Not advertised: a client that goes through a proxy must not learn a way around it.
  return [
    `server_name: ${name}`,
    `cluster {`,
    `  name: test`,
    `  listen: "127.0.0.1:${port}"`,
    `  no_advertise: true`,
    `  routes: [${routes.join(", ")}]`,
    `}`,
  ].join("\n");
}

/** Ports that nobody listens on, different from each other. */
async function freePorts(count: number): Promise<number[]> {
  const ports = new Set<number>();
  while (ports.size < count) {
    const port = LOWEST_PORT + Math.floor(Math.random() * (HIGHEST_PORT - LOWEST_PORT));
    if (await isFree(port)) ports.add(port);
  }
  return [...ports];
}

function isFree(port: number): Promise<boolean> {
  return new Promise((resolve) => {
    const listener = createServer();
    listener.once("error", () => resolve(false));
    listener.listen(port, "127.0.0.1", () => listener.close(() => resolve(true)));
  });
}
