/** The store over a NATS KV bucket: the only file that speaks KV. */
import { jetstream, type JetStreamClient, type JetStreamManager } from "@nats-io/jetstream";
import { type KV, type KvEntry, Kvm } from "@nats-io/kv";
import { nanos } from "@nats-io/transport-node";
import { DocktorError } from "../errors.ts";
import { atomicReplicas } from "../nats/capabilities.ts";
import type { Link } from "../nats/connection.ts";
import { fromNats, isMessageNotFound } from "../nats/errors.ts";
import { settle } from "./settle.ts";
import { ABSENT, type Entry, type SessionStore } from "./store.ts";

const REQUEST_TIMEOUT_MS = 2_000;

/**
 * How many values of a key are kept that expires. One would do. But nats-server 2.9 goes on counting those that expired while
 * it was down; when it has to keep to a limit of one, it then removes the newest, and its compare-and-set refuses the owner of a
 * key and lets in another. Of values that expire there are no more than renewals in a TTL, so that this limit is never met.
 */
const HISTORY_OF_EXPIRING = 32;

/** What the bucket of a new group looks like. */
export interface BucketOptions {
  /** Fewer where the server's compare-and-set does not hold with replicas. */
  replicas: number;
  /** Time to live of a key; without one, keys stay. */
  ttlMs?: number;
  /** How long one request may take before its outcome counts as unknown. Default 2,000. */
  requestTimeoutMs?: number;
}

/** Opens the bucket, creating it when it is missing. */
export async function openBucket(
  link: Link,
  bucket: string,
  options: BucketOptions,
): Promise<KvStore> {
  try {
    const client = clientFor(link, options.requestTimeoutMs);
    const kv = await new Kvm(client).create(bucket, {
      history: options.ttlMs === undefined ? 1 : HISTORY_OF_EXPIRING,
      replicas: atomicReplicas(link.connection, options.replicas),
      // Ownership may not be judged by a lagging replica: read from the leader.
      allow_direct: false,
      ...(options.ttlMs === undefined ? {} : { ttl: options.ttlMs }),
    });
    return new KvStore(link, bucket, kv, await client.jetstreamManager(false));
  } catch (error) {
    throw fromNats(error, `open bucket ${bucket}`);
  }
}

/** Opens a bucket that must exist; undefined when it does not. */
export async function findBucket(link: Link, bucket: string): Promise<KvStore | undefined> {
  const name = `KV_${bucket}`;
  try {
    await link.manager.streams.info(name);
  } catch (error) {
    const known = fromNats(error, `read bucket ${bucket}`);
    if (known.code === "STREAM_NOT_FOUND") return undefined;
    throw known;
  }
  const client = clientFor(link);
  const kv = await new Kvm(client).open(bucket, { bindOnly: true, allow_direct: false });
  return new KvStore(link, bucket, kv, await client.jetstreamManager(false));
}

function clientFor(link: Link, timeout = REQUEST_TIMEOUT_MS): JetStreamClient {
  return jetstream(link.requests, { timeout });
}

/** A {@link Store} over one bucket. */
export class KvStore implements SessionStore {
  readonly #link: Link;
  readonly #bucket: string;
  readonly #kv: KV;
  /** Waits no longer for an answer than the bucket may: one that was lost in a cut never comes. */
  readonly #manager: JetStreamManager;

  constructor(link: Link, bucket: string, kv: KV, manager: JetStreamManager) {
    this.#link = link;
    this.#bucket = bucket;
    this.#kv = kv;
    this.#manager = manager;
  }

  async get(key: string): Promise<Entry | undefined> {
    const entry = await this.#read(key);
    return entry === undefined || entry.operation !== "PUT" ? undefined : decode(entry);
  }

  async write(key: string, value: unknown, expected: number): Promise<number> {
    const data = JSON.stringify(value);
    return await settle({
      key,
      value,
      expected,
      read: () => this.get(key),
      send: async () => {
        try {
          return expected === ABSENT
            ? await this.#kv.create(key, data)
            : await this.#kv.update(key, data, expected);
        } catch (error) {
          throw this.#explain(error, `write ${key}`);
        }
      },
    });
  }

  async delete(key: string, expected: number): Promise<void> {
    try {
      await this.#kv.delete(key, { previousSeq: expected });
    } catch (error) {
      throw this.#explain(error, `delete ${key}`);
    }
  }

  async *watch(filter: string, signal: AbortSignal): AsyncIterable<Entry> {
    if (signal.aborted) return;
    let stop = (): void => {};
    try {
      const changes = await this.#kv.watch({ key: filter });
      stop = () => changes.stop();
      signal.addEventListener("abort", stop, { once: true });
      if (signal.aborted) return;
      for await (const change of changes) yield decode(change);
    } catch (error) {
      throw this.#explain(error, "watch keys");
    } finally {
      signal.removeEventListener("abort", stop);
      stop();
    }
  }

  async newest(filter: string): Promise<number> {
    try {
      const found = await this.#manager.streams.getMessage(`KV_${this.#bucket}`, {
        last_by_subj: `$KV.${this.#bucket}.${filter}`,
      });
      return found?.seq ?? ABSENT;
    } catch (error) {
      if (isMessageNotFound(error)) return ABSENT;
      throw this.#explain(error, "read the newest revision");
    }
  }

  async live(): Promise<{ keys: ReadonlySet<string>; ttlMs: number }> {
    const prefix = `$KV.${this.#bucket}.`;
    try {
      const info = await this.#manager.streams.info(`KV_${this.#bucket}`, {
        subjects_filter: `${prefix}>`,
      });
      const subjects = Object.keys(info.state.subjects ?? {});
      return {
        keys: new Set(subjects.map((subject) => subject.slice(prefix.length))),
        ttlMs: info.config.max_age / 1e6,
      };
    } catch (error) {
      throw this.#explain(error, "list the live keys");
    }
  }

  async setTtl(ttlMs: number): Promise<void> {
    try {
      const name = `KV_${this.#bucket}`;
      const { config } = await this.#manager.streams.info(name);
      if (config.max_age === nanos(ttlMs)) return;
      const max_age = nanos(ttlMs);
      // The server refuses a deduplication window longer than the messages' age.
      const duplicate_window = Math.min(config.duplicate_window, max_age);
      await this.#link.manager.streams.update(name, {
        max_age,
        duplicate_window,
      });
    } catch (error) {
      throw this.#explain(error, "set the time to live");
    }
  }

  #explain(error: unknown, doing: string): DocktorError {
    const known = fromNats(error, `${doing} in bucket ${this.#bucket}`);
    if (known.code !== "STREAM_NOT_FOUND") return known;
    return new DocktorError(
      "STREAM_NOT_FOUND",
      `bucket ${this.#bucket} was deleted, and with it how far the group had come: members that start now begin at the stream's first message`,
      { cause: error },
    );
  }

  async #read(key: string): Promise<KvEntry | undefined> {
    try {
      return (await this.#kv.get(key)) ?? undefined;
    } catch (error) {
      if (isMessageNotFound(error)) return undefined;
      throw this.#explain(error, `read ${key}`);
    }
  }
}

function decode(entry: KvEntry): Entry {
  const { key, revision } = entry;
  if (entry.operation !== "PUT") return { key, revision, value: undefined };
  try {
    return { key, revision, value: entry.json() };
  } catch (error) {
    throw new DocktorError(
      "RECORD_INVALID",
      `the record ${key} in bucket ${entry.bucket} was not written by docktor: delete the bucket if nothing else uses it, or choose another group name`,
      {
        cause: error,
      },
    );
  }
}
