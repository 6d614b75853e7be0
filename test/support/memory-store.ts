/** The store in memory, for tests and models of the protocol; kept to the same suite as KV. */
import type { Clock } from "../../src/clock.ts";
import { DocktorError } from "../../src/errors.ts";
import { ABSENT, type Entry, type SessionStore } from "../../src/lease/store.ts";

interface Stored extends Entry {
  readonly writtenAt: number;
}

/** A {@link SessionStore} in memory. Without a TTL, keys stay. */
export class MemoryStore implements SessionStore {
  readonly #clock: Clock;
  readonly #entries = new Map<string, Stored>();
  readonly #watchers = new Set<(entry: Entry) => void>();
  #ttlMs: number;
  #revision = 0;

  constructor(clock: Clock, ttlMs = 0) {
    this.#clock = clock;
    this.#ttlMs = ttlMs;
  }

  async get(key: string): Promise<Entry | undefined> {
    const entry = this.#alive(key);
    return entry?.value === undefined ? undefined : copy(entry);
  }

  async write(key: string, value: unknown, expected: number): Promise<number> {
    const current = this.#alive(key);
    const revision = current?.revision ?? ABSENT;
    // A deleted key may be created again, as in KV.
    const accepted = expected === ABSENT ? current?.value === undefined : revision === expected;
    if (!accepted) throw conflict(key, expected, revision);
    return this.#put(key, structuredClone(value));
  }

  async delete(key: string, expected: number): Promise<void> {
    const revision = this.#alive(key)?.revision ?? ABSENT;
    if (revision !== expected) throw conflict(key, expected, revision);
    this.#put(key, undefined);
  }

  async newest(filter: string): Promise<number> {
    const pattern = matching(filter);
    const alive = [...this.#entries.keys()].flatMap((key) => this.#alive(key) ?? []);
    return Math.max(
      ABSENT,
      ...alive.filter(({ key }) => pattern.test(key)).map(({ revision }) => revision),
    );
  }

  async *watch(filter: string, signal: AbortSignal): AsyncIterable<Entry> {
    const pattern = matching(filter);
    const pending = [...this.#entries.keys()]
      .flatMap((key) => this.#alive(key) ?? [])
      .filter((entry) => pattern.test(entry.key))
      .sort((a, b) => a.revision - b.revision)
      .map(copy);
    let wake = (): void => {};
    const see = (entry: Entry): void => {
      if (!pattern.test(entry.key)) return;
      pending.push(entry);
      wake();
    };
    const stop = (): void => wake();
    this.#watchers.add(see);
    signal.addEventListener("abort", stop);
    try {
      while (!signal.aborted) {
        const entry = pending.shift();
        if (entry !== undefined) yield entry;
        else await new Promise<void>((resolve) => (wake = resolve));
      }
    } finally {
      this.#watchers.delete(see);
      signal.removeEventListener("abort", stop);
    }
  }

  async live(): Promise<{ keys: ReadonlySet<string>; ttlMs: number }> {
    const keys = [...this.#entries.keys()].filter((key) => this.#alive(key) !== undefined);
    return { keys: new Set(keys), ttlMs: this.#ttlMs };
  }

  async setTtl(ttlMs: number): Promise<void> {
    this.#ttlMs = ttlMs;
  }

  #alive(key: string): Stored | undefined {
    const entry = this.#entries.get(key);
    if (entry === undefined || this.#ttlMs === 0) return entry;
    return this.#clock.now() - entry.writtenAt < this.#ttlMs ? entry : undefined;
  }

  #put(key: string, value: unknown): number {
    const entry = { key, value, revision: ++this.#revision, writtenAt: this.#clock.now() };
    this.#entries.set(key, entry);
    for (const see of this.#watchers) see(copy(entry));
    return entry.revision;
  }
}

function matching(filter: string): RegExp {
  return new RegExp(`^${filter.replaceAll(".", "\\.").replaceAll("*", "[^.]+")}$`);
}

function copy({ key, value, revision }: Entry): Entry {
  return { key, value: structuredClone(value), revision };
}

function conflict(key: string, expected: number, revision: number): DocktorError {
  return new DocktorError("CONFLICT", `${key} has revision ${revision}, not ${expected}`);
}
