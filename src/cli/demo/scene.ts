/** What the demo plays on: a nats-server of its own, a connection, and a folder for records. */
import { mkdtempSync, readdirSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { connect, type NatsConnection } from "@nats-io/transport-node";
import { EmbeddedServer, type ProcessedRecord, readRecords } from "../../index.ts";

const RECORD = ".record.jsonl";

/** One demo's surroundings, gone when it ends. */
export class Scene {
  readonly stream = "EVENTS";
  readonly subject = "events";
  readonly group = "WORKERS";
  readonly partitions = 32;
  readonly ttlMs = 2_000;
  readonly server: EmbeddedServer;
  /** Closed for good when the server is gone. */
  readonly connection: NatsConnection;
  /** Where members write their records and logs. */
  readonly folder: string;

  private constructor(server: EmbeddedServer, connection: NatsConnection) {
    this.server = server;
    this.connection = connection;
    this.folder = mkdtempSync(join(tmpdir(), "docktor-demo-"));
  }

  /** Starts the server and connects to it. */
  static async open(): Promise<Scene> {
    const server = await EmbeddedServer.start();
    try {
      const connection = await connect({ servers: server.url, reconnect: false });
      return new Scene(server, connection);
    } catch (error) {
      await server.stop();
      throw error;
    }
  }

  /** What members connect to. */
  get url(): string {
    return this.server.url;
  }

  /** For `consume --record`. */
  get recordPath(): string {
    return join(this.folder, `%m${RECORD}`);
  }

  /** What all members have processed, each member's in the order of its work. */
  records(): ProcessedRecord[] {
    const files = readdirSync(this.folder).filter((file) => file.endsWith(RECORD));
    return files.flatMap((file) => readRecords(join(this.folder, file)));
  }

  /** Removes the folder; the server's own goes with the server. */
  sweep(): void {
    rmSync(this.folder, { recursive: true, force: true });
  }

  /** Removes the folder, disconnects, and ends the server. */
  async close(): Promise<void> {
    this.sweep();
    await this.connection.close();
    await this.server.stop();
  }
}
