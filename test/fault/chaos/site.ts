/** The servers under chaos: one, or a cluster of three. */
import { EmbeddedServer } from "../../../src/nats/embedded-server.ts";
import { Cluster } from "../../support/cluster.ts";

/** One nats-server or three. */
export class Site implements AsyncDisposable {
  readonly nodes: readonly EmbeddedServer[];
  readonly #cluster: Cluster | undefined;

  private constructor(nodes: readonly EmbeddedServer[], cluster?: Cluster) {
    this.nodes = nodes;
    this.#cluster = cluster;
  }

  static async start(servers: 1 | 3, binary: string | undefined): Promise<Site> {
    if (servers === 1) {
      return new Site([await EmbeddedServer.start(binary === undefined ? {} : { binary })]);
    }
    const cluster = await Cluster.start(binary);
    return new Site(cluster.nodes, cluster);
  }

  /** How many replicas everything has. */
  get replicas(): number {
    return this.nodes.length;
  }

  get url(): string {
    return this.nodes.map((node) => node.url).join(",");
  }

  /** Makes the leader of a stream step down, where there is one to follow. */
  async stepDown(stream: string): Promise<void> {
    await this.#cluster?.stepDown(stream);
  }

  async [Symbol.asyncDispose](): Promise<void> {
    await Promise.all(this.nodes.map((node) => node.stop()));
  }
}
