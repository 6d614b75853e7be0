/** Somebody who is not of the group, and sees what the server accepts from it. */
import { jetstream } from "@nats-io/jetstream";
import { Kvm } from "@nats-io/kv";
import { connect, type NatsConnection } from "@nats-io/transport-node";
import { now } from "./clock.ts";

/** Watches the checkpoints and the acks of a group. */
export class Observer {
  /** Commits that were accepted although a later epoch had sealed the checkpoint. */
  lateCommits = 0;
  readonly #connection: NatsConnection;
  /** The epoch that each partition's checkpoint is sealed with. */
  readonly #epochs = new Map<number, number>();
  readonly #acks: { partition: number; epoch: number; at: number }[] = [];

  private constructor(connection: NatsConnection) {
    this.#connection = connection;
  }

  /** Begins to watch a group on the stream EVENTS. */
  static async start(url: string, group: string): Promise<Observer> {
    const connection = await connect({ servers: url });
    const observer = new Observer(connection);
    const bucket = await new Kvm(jetstream(connection)).open(`docktor_EVENTS_${group}_leases`);
    void observer.#follow(await bucket.watch({ key: "checkpoint.*" }));
    connection.subscribe("$JS.ACK.EVENTS.>", {
      callback: (_error, { subject }) => {
        const [, partition, epoch] =
          new RegExp(`\\.${group}-p(\\d+)-e(\\d+)\\.`).exec(subject) ?? [];
        observer.#acks.push({ partition: Number(partition), epoch: Number(epoch), at: now() });
      },
    });
    return observer;
  }

  /** The epoch that each of the partitions is sealed with by now. */
  epochs(partitions: readonly number[]): Map<number, number> {
    return new Map(partitions.map((each) => [each, this.#epochs.get(each) ?? 0]));
  }

  /** How many acks of epochs before these have come since; forgets them. */
  acksBelow(epochs: ReadonlyMap<number, number>, since: number): number {
    const late = this.#acks.filter(({ partition, epoch, at }) => {
      return at > since && epoch < (epochs.get(partition) ?? 0);
    });
    this.#acks.length = 0;
    return late.length;
  }

  async stop(): Promise<void> {
    await this.#connection.close();
  }

  async #follow(changes: AsyncIterable<{ key: string; json: <T>() => T }>): Promise<void> {
    for await (const change of changes) {
      const partition = Number(change.key.split(".")[1]);
      const { epoch } = change.json<{ epoch: number }>();
      const before = this.#epochs.get(partition) ?? 0;
      if (epoch < before) this.lateCommits++;
      this.#epochs.set(partition, Math.max(before, epoch));
    }
  }
}
