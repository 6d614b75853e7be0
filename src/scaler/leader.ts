/**
 * One scaler at a time for each service: a session under its stream and consumer, as members have one under their id. Who finds
 * it taken stands by, and takes over once it has expired. The leader acts only while it may trust its session, which
 * ends before anyone else can have one.
 */
import { type Clock, systemClock } from "../clock.ts";
import { DocktorError, isDocktorError } from "../errors.ts";
import { openBucket } from "../lease/kv-store.ts";
import { Session } from "../lease/session.ts";
import type { SessionStore } from "../lease/store.ts";
import type { Link } from "../nats/connection.ts";

/** The bucket of leaders. */
const BUCKET = "docktor_scalers";

/** How long a leader that is gone keeps its place, in milliseconds: a bucket has one for all of them. */
const LEADER_TTL_MS = 10_000;

/** How long to wait, as a share of the TTL, before the place is asked for again. */
const RETRY = 0.1;

/** Opens the bucket; it is made when it is missing, with as many replicas as the stream has whose consumer is scaled. */
export async function openLeaders(link: Link, replicas: number): Promise<SessionStore> {
  return await openBucket(link, BUCKET, { replicas, ttlMs: LEADER_TTL_MS });
}

/** A key that no other service has. */
export function leaderKey(stream: string, consumer: string): string {
  return `${stream}.${consumer}`;
}

/** The place of one service's leader. */
export class Leader {
  /** The connection that it leads by. */
  readonly link: Link;
  readonly #store: SessionStore;
  readonly #key: string;
  readonly #clock: Clock;
  readonly #ttlMs: number;
  #session: Session | undefined;

  constructor(
    link: Link,
    store: SessionStore,
    key: string,
    clock: Clock = systemClock,
    ttlMs: number = LEADER_TTL_MS,
  ) {
    this.link = link;
    this.#store = store;
    this.#key = key;
    this.#clock = clock;
    this.#ttlMs = ttlMs;
  }

  /** Whether this process leads, at this moment. */
  get leads(): boolean {
    return this.#session?.trusted() === true;
  }

  /** Aborts when this process no longer leads. @throws DocktorError CLOSED before it has led */
  get lost(): AbortSignal {
    if (this.#session !== undefined) return this.#session.lost;
    throw new DocktorError("CLOSED", "this scaler does not lead");
  }

  /**
   * Waits until the place is free, and takes it.
   *
   * @param onStandBy called once when another scaler has it
   * @throws DocktorError of the bucket; the signal's reason when it aborts first
   */
  async take(signal: AbortSignal, onStandBy: () => void): Promise<void> {
    let standsBy = false;
    while (!(await this.tryToTake(signal))) {
      if (!standsBy) onStandBy();
      standsBy = true;
      await this.#clock.sleep(this.#ttlMs * RETRY, signal);
    }
  }

  /**
   * Takes the place unless another scaler has it; of one that has crashed, or may have, it waits until it shows. A place
   * that this one has lost and nobody has taken is taken back.
   *
   * @throws DocktorError of the bucket; the signal's reason when it aborts first
   */
  async tryToTake(signal: AbortSignal): Promise<boolean> {
    signal.throwIfAborted();
    const previous = this.#session?.incarnation;
    try {
      this.#session = await Session.open({
        store: this.#store,
        clock: this.#clock,
        memberId: this.#key,
        ttlMs: this.#ttlMs,
        ...(previous === undefined ? {} : { previous }),
        signal,
      });
      return true;
    } catch (error) {
      if (isDocktorError(error, "MEMBER_ID_IN_USE")) return false;
      throw error;
    }
  }

  /** Gives the place up, so that another need not wait. */
  async end(): Promise<void> {
    await this.#session?.end();
    this.#session = undefined;
  }
}
