/** What the benchmarks of groups have in common: a server, a load on it, and a group to work it off. */
import { EmbeddedServer, Producer, type ProducerOptions } from "../src/index.ts";
import { Group } from "./group.ts";
import { publishAt } from "./load.ts";

/** What to set up. */
export interface SceneOptions {
  partitions: number;
  /** Messages per second. */
  rate: number;
  ttlMs: number;
  /** The stream; by default as docktor makes it. */
  ensureStream?: ProducerOptions["ensureStream"];
}

/** A group without members yet, under load. */
export interface Scene {
  readonly server: EmbeddedServer;
  readonly group: Group;
  /** Ends everything; resolves with how many messages were published. */
  end(): Promise<number>;
}

/** Sets it up on a server of its own. */
export async function underLoad(options: SceneOptions): Promise<Scene> {
  const { partitions, rate, ttlMs, ensureStream = true } = options;
  const server = await EmbeddedServer.start();
  const stop = new AbortController();
  const producer = await Producer.connect({
    servers: server.url,
    stream: "EVENTS",
    subject: "events",
    partitions,
    ensureStream,
  });
  const publishing = publishAt(rate, producer, stop.signal);
  const group = new Group({ url: server.url, partitions, ttlMs });
  const end = async (): Promise<number> => {
    stop.abort();
    const published = await publishing;
    await producer.close();
    await group.end();
    await server.stop();
    return published;
  };
  return { server, group, end };
}
