/**
 * The port through which the protocol reads and writes: keys with revisions and
 * compare-and-set. It is kept by KV; the tests' store in memory is held to the same suite.
 */

/** A key's value at one revision. */
export interface Entry {
  readonly key: string;
  /** The value; undefined in a watch when the key was deleted. */
  readonly value: unknown;
  /** Grows with every write to the bucket; never used twice. */
  readonly revision: number;
}

/** The revision to expect of a key that must not exist. */
export const ABSENT = 0;

/** Keys with compare-and-set. Values are JSON. */
export interface Store {
  /**
   * The key's newest value, from the leader of the bucket's stream; undefined if there is none.
   *
   * @throws DocktorError TIMEOUT, CONNECTION_CLOSED
   */
  get(key: string): Promise<Entry | undefined>;

  /**
   * Writes `value` if the key's revision is still `expected` ({@link ABSENT}: if it has none) and
   * returns the new revision. A write whose outcome is unknown is settled by reading
   * back, so the value must tell its writer and its purpose apart from all others.
   *
   * @throws DocktorError CONFLICT when the key has another revision,
   *   TIMEOUT when the outcome could not be settled
   */
  write(key: string, value: unknown, expected: number): Promise<number>;

  /**
   * Deletes the key if its revision is still `expected`.
   *
   * @throws DocktorError CONFLICT, TIMEOUT
   */
  delete(key: string, expected: number): Promise<void>;

  /**
   * Every key that matches, at its newest revision, in the order of revisions, then
   * every change as it happens. Ends, without an error, when the signal aborts.
   *
   * @param filter a key with `*` for any one token
   */
  watch(filter: string, signal: AbortSignal): AsyncIterable<Entry>;

  /**
   * The newest revision among the keys that match, as the leader sees them; {@link ABSENT} if none does.
   *
   * @throws DocktorError TIMEOUT, CONNECTION_CLOSED
   */
  newest(filter: string): Promise<number>;
}

/** A store whose keys vanish when they are not written again within a time to live. */
export interface SessionStore extends Store {
  /** The keys that have not expired, and the time to live in force, as the leader sees them. */
  live(): Promise<{
    readonly keys: ReadonlySet<string>;
    readonly ttlMs: number;
  }>;

  /** Sets the time to live, if it is another. */
  setTtl(ttlMs: number): Promise<void>;
}
