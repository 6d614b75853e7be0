/** A bucket of the store in memory, whose records can be seen without a request. */
import { ABSENT } from "../../../src/lease/store.ts";
import { MemoryStore } from "../memory-store.ts";
import type { Time } from "./time.ts";

/** A record as it was last written. */
interface Written {
  readonly value: unknown;
  readonly revision: number;
  readonly at: number;
}

/** One bucket. Without a TTL, keys stay. */
export class Bucket extends MemoryStore {
  readonly records: Map<string, Written> = new Map();
  readonly #time: Time;
  readonly #expires: boolean;

  constructor(time: Time, ttlMs: number) {
    super(time, ttlMs);
    this.#time = time;
    this.#expires = ttlMs > 0;
  }

  override async write(key: string, value: unknown, expected: number): Promise<number> {
    const revision = await super.write(key, value, expected);
    this.records.set(key, { value, revision, at: this.#time.now() });
    return revision;
  }

  /** Whether a write that expects this revision could be accepted, now or later. */
  mayAccept(key: string, expected: number): boolean {
    const revision = this.records.get(key)?.revision ?? ABSENT;
    return revision === expected || (expected === ABSENT && this.#expires);
  }
}
