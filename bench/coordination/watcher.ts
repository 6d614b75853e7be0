/** Somebody who is not of the group, and sees who owns what. */
import { jetstream } from "@nats-io/jetstream";
import { Kvm } from "@nats-io/kv";
import { connect, type NatsConnection } from "@nats-io/transport-node";
import { now } from "../clock.ts";

/** Follows the leases of the group. */
export class Watcher {
  readonly #connection: NatsConnection;
  readonly #partitions: number;
  readonly #owners = new Map<string, string | undefined>();
  /** When a lease has changed last. */
  #changedAt = now();

  private constructor(connection: NatsConnection, partitions: number) {
    this.#connection = connection;
    this.#partitions = partitions;
  }

  static async start(url: string, partitions: number): Promise<Watcher> {
    const connection = await connect({ servers: url });
    const watcher = new Watcher(connection, partitions);
    const bucket = await new Kvm(jetstream(connection)).open("docktor_EVENTS_WIDE_leases");
    void watcher.#follow(await bucket.watch({ key: "lease.*" }));
    return watcher;
  }

  /** When the group came to be balanced over these members; resolves once it is. */
  async balanced(members: readonly string[]): Promise<number> {
    while (!this.#isBalanced(members)) await new Promise((resolve) => setTimeout(resolve, 5));
    return this.#changedAt;
  }

  async stop(): Promise<void> {
    await this.#connection.close();
  }

  #isBalanced(members: readonly string[]): boolean {
    const counts = new Map(members.map((id) => [id, 0]));
    for (const owner of this.#owners.values()) {
      const count = owner === undefined ? undefined : counts.get(owner);
      if (owner === undefined || count === undefined) return false;
      counts.set(owner, count + 1);
    }
    const all = [...counts.values()];
    return this.#owners.size === this.#partitions && Math.max(...all) - Math.min(...all) <= 1;
  }

  async #follow(changes: AsyncIterable<{ key: string; json: <T>() => T }>): Promise<void> {
    for await (const change of changes) {
      if (change.key === "lease.roster") continue;
      this.#owners.set(change.key, change.json<{ owner?: string }>().owner);
      this.#changedAt = now();
    }
  }
}
