/** The wire between a scaler and the Docker engine, to be cut in tests; it tells what went over it. */
import { once } from "node:events";
import { mkdtempSync, rmSync } from "node:fs";
import { createConnection, createServer, type Server, type Socket } from "node:net";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { closeAfterTest } from "./group.ts";

/** A socket behind which the engine is, while the wire is whole; gone after the test. */
export class EngineWire {
  readonly socket: string;
  /** What reached the engine, such as `POST /containers/create?name=shop-consumer-2`. */
  readonly requests: string[] = [];
  readonly #engine: string;
  readonly #folder = mkdtempSync(join(tmpdir(), "docktor-test-"));
  readonly #connections = new Set<Socket>();
  #listener: Server | undefined;
  #snare: { pattern: RegExp; left: number; caught: () => void } | undefined;
  #holding = false;

  private constructor(engine: string) {
    this.#engine = engine;
    this.socket = join(this.#folder, "docker.sock");
    closeAfterTest(async () => {
      await this.cut();
      rmSync(this.#folder, { recursive: true, force: true });
    });
  }

  /** @param engine the socket of the engine itself */
  static async open(engine: string): Promise<EngineWire> {
    const wire = new EngineWire(engine);
    await wire.mend();
    return wire;
  }

  /** Nobody listens any more, as when an engine is stopped. */
  async cut(): Promise<void> {
    const listener = this.#listener;
    this.#listener = undefined;
    if (listener === undefined) return;
    const closed = once(listener, "close");
    // The socket's file goes with it.
    listener.close();
    for (const connection of this.#connections) connection.destroy();
    await closed;
  }

  /** Lets everything through again. */
  async mend(): Promise<void> {
    this.#holding = false;
    if (this.#listener !== undefined) return;
    this.#listener = createServer((client) => this.#join(client));
    this.#listener.listen(this.socket);
    await once(this.#listener, "listening");
  }

  /** Resolves when so many requests of that kind have come; the last of them, and all that follow, get no further. */
  async holdAt(pattern: RegExp, count = 1): Promise<void> {
    await new Promise<void>((caught) => {
      this.#snare = { pattern, left: count, caught };
    });
  }

  /** How many requests of that kind have reached the engine. */
  count(pattern: RegExp): number {
    return this.requests.filter((request) => pattern.test(request)).length;
  }

  #join(client: Socket): void {
    const engine = createConnection(this.#engine);
    for (const [from, to] of [
      [client, engine],
      [engine, client],
    ] as const) {
      this.#connections.add(from);
      from.on("end", () => to.end());
      // An error is followed by "close".
      from.on("error", () => {});
      from.on("close", () => {
        this.#connections.delete(from);
        to.destroy();
      });
    }
    engine.on("data", (chunk) => client.write(chunk));
    client.on("data", (chunk) => {
      const request = /^([A-Z]+ \S+) HTTP/.exec(chunk.toString("latin1"))?.[1];
      if (request !== undefined) this.#note(request);
      if (!this.#holding) engine.write(chunk);
    });
  }

  #note(request: string): void {
    const snare = this.#snare;
    if (snare?.pattern.test(request) && --snare.left === 0) {
      this.#snare = undefined;
      this.#holding = true;
      snare.caught();
    }
    if (!this.#holding) this.requests.push(request);
  }
}
