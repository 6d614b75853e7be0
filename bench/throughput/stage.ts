/** Where sides are compared: a server, and streams that are full of messages. */
import { type JetStreamManager, jetstreamManager, StorageType } from "@nats-io/jetstream";
import { connect, type NatsConnection } from "@nats-io/transport-node";
import { EmbeddedServer } from "../../src/index.ts";
import { Meter } from "./meter.ts";
import { tuned } from "./publish-sides.ts";
import type { Setting } from "./side.ts";

/** What the messages are like, and where they are kept. */
export interface Load {
  readonly partitions: number;
  readonly payload: number;
  readonly keys: boolean;
  readonly storage: "file" | "memory";
}

/** An empty stream; what differs from run to run is left out. */
export type Empty = Omit<Setting, "run" | "members">;

/** A stream with messages. */
export interface Full {
  readonly setting: Empty;
  readonly total: number;
}

/** The most bytes that a stream is filled with, and what a message has beside its data. */
const MOST_BYTES = 500e6;
const OVERHEAD_BYTES = 100;

/** A server with streams. */
export class Stage implements AsyncDisposable {
  readonly server: EmbeddedServer;
  readonly #connection: NatsConnection;
  readonly #manager: JetStreamManager;
  #streams = 0;

  private constructor(
    server: EmbeddedServer,
    connection: NatsConnection,
    manager: JetStreamManager,
  ) {
    this.server = server;
    this.#connection = connection;
    this.#manager = manager;
  }

  static async open(binary?: string): Promise<Stage> {
    const server = await EmbeddedServer.start(binary === undefined ? {} : { binary });
    const connection = await connect({ servers: server.url });
    return new Stage(server, connection, await jetstreamManager(connection));
  }

  /** An empty stream, as docktor makes it. */
  async create({ partitions, payload, keys, storage }: Load): Promise<Empty> {
    const name = `BENCH_${++this.#streams}`;
    const subject = name.toLowerCase();
    await this.#manager.streams.add({
      name,
      subjects: [`${subject}.p.*`],
      storage: storage === "file" ? StorageType.File : StorageType.Memory,
      // As docktor makes it: 1,024 partitions need more than the newest servers permit by default.
      max_consumers: 100_000,
    });
    return { url: this.server.url, stream: name, subject, partitions, payload, keys };
  }

  /** A stream with up to so many messages; returns how many. */
  async fill(load: Load, most: number): Promise<Full> {
    const setting = await this.create(load);
    const wanted = Math.min(most, Math.floor(MOST_BYTES / (load.payload + OVERHEAD_BYTES)));
    const meter = new Meter();
    const filling = await tuned({ ...setting, run: `fill${this.#streams}`, members: 1 }, meter);
    filling.start();
    while (meter.count < wanted) await new Promise((resolve) => setTimeout(resolve, 20));
    await filling.stop();
    const { state } = await this.#manager.streams.info(setting.stream);
    return { setting, total: state.messages };
  }

  /** Removes a stream, and what groups have kept beside it. */
  async remove({ stream }: Pick<Setting, "stream">): Promise<void> {
    for await (const { config } of this.#manager.streams.list()) {
      const { name } = config;
      if (name === stream || name.startsWith(`KV_docktor_${stream}_`))
        await this.#manager.streams.delete(name);
    }
  }

  async [Symbol.asyncDispose](): Promise<void> {
    await this.#connection.close();
    await this.server.stop();
  }
}
