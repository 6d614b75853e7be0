/**
 * Watches over one other member, the next on the roster, so that its crash is known before its TTL
 * is over: the server may take a quarter of a second more to expire a record, and version 2.9 does so
 * without a word.
 *
 * Every renewal is seen as it is made. When none has come for 95 % of a TTL, counted on the observer's own
 * monotonic clock from when it saw the last, its owner has stopped, as it trusts that renewal for 87 % of a TTL
 * from before it was sent. The record is replaced by compare-and-set: a renewal that was
 * made and not seen wins. Where the mark is there already, its writer may not have come to take the member
 * off the roster, or got no answer: that is done here, too. Who is not found dead here, as of two neighbours that die together, is
 * found by those who look after everyone.
 */
import { type Clock, slept } from "../clock.ts";
import { isLiveSession, parseSession } from "./records.ts";
import { changeRoster, endLife, type GroupIdentity, type Members } from "./roster.ts";
import { declareDead, type Session, silenceMs } from "./session.ts";
import { ABSENT, type Store } from "./store.ts";

/** How long to wait before a watch that broke, or had missed a renewal, is opened again. */
const RETRY_MS = 250;

/** What watching over a neighbour needs. */
export interface NeighbourOptions {
  clock: Clock;
  identity: GroupIdentity;
  sessions: Store;
  leases: Store;
  session: Session;
  onError: (error: unknown) => void;
}

/** One life of a member. */
interface Life {
  readonly id: string;
  readonly incarnation: string;
}

/** The last renewal that was seen; none with the revision {@link ABSENT}. */
interface Renewal {
  revision: number;
  /** On the observer's clock. */
  seenAt: number;
  /** Whether that life was declared dead since. */
  marked: boolean;
}

/** Watches over the member that comes next on the roster, whoever that is. */
export class NeighbourWatch {
  readonly #options: NeighbourOptions;
  #neighbour: Life | undefined;
  #watching = new AbortController();

  constructor(options: NeighbourOptions) {
    this.#options = options;
  }

  /** Goes over to the neighbour on this roster, if it is another. */
  follow(members: Members): void {
    const next = neighbourOf(this.#options.session.memberId, members);
    if (next?.incarnation === this.#neighbour?.incarnation) return;
    this.stop();
    this.#neighbour = next;
    this.#watching = new AbortController();
    if (next !== undefined) void this.#watch(next, this.#watching.signal);
  }

  /** Watches over nobody any more. */
  stop(): void {
    this.#watching.abort();
    this.#neighbour = undefined;
  }

  async #watch(life: Life, signal: AbortSignal): Promise<void> {
    const { clock, onError } = this.#options;
    do {
      const round = new AbortController();
      const end = (): void => round.abort();
      signal.addEventListener("abort", end);
      const last: Renewal = { revision: ABSENT, seenAt: clock.now(), marked: false };
      void this.#see(life, last, round.signal).then(end);
      try {
        const silent = await this.#silent(last, round.signal);
        if (silent || last.marked) await this.#declareDead(life, last.revision);
      } catch (error) {
        onError(error);
      }
      end();
      signal.removeEventListener("abort", end);
    } while (await slept(clock, RETRY_MS, signal));
  }

  /** Notes each renewal; resolves when the watch has ended, or nothing more can come of it. */
  async #see({ id, incarnation }: Life, last: Renewal, signal: AbortSignal): Promise<void> {
    const { clock, sessions } = this.#options;
    try {
      for await (const { revision, value } of sessions.watch(id, signal)) {
        last.revision = isLiveSession(id, value, incarnation) ? revision : ABSENT;
        last.seenAt = clock.now();
        last.marked = isMarked(id, value, incarnation);
        if (last.marked) return;
      }
    } catch {
      // Whoever renews its session in the same bucket tells.
    }
  }

  /** Resolves once a record that was seen has not been renewed for too long; false when the watch ends. */
  async #silent(last: Renewal, signal: AbortSignal): Promise<boolean> {
    const { clock, session } = this.#options;
    for (;;) {
      const leftMs = last.seenAt + silenceMs(session.ttlMs) - clock.now();
      if (leftMs <= 0 && last.revision !== ABSENT) return true;
      if (!(await slept(clock, leftMs > 0 ? leftMs : session.ttlMs, signal))) return false;
    }
  }

  /** Ends that life, unless its record has another revision by now. */
  async #declareDead({ id, incarnation }: Life, revision: number): Promise<void> {
    const { sessions, leases, identity, session } = this.#options;
    const declare = async (seen: number): Promise<boolean> =>
      session.trusted() && (await declareDead(sessions, id, incarnation, seen));
    // Its record may have expired in that moment. Else it was renewed, or another life has come.
    if (!(await declare(revision)) && !(await declare(ABSENT))) return;
    await changeRoster(leases, identity, (roster) => endLife(roster, id, incarnation));
  }
}

/** The next member by id, around the end; undefined when there is no other that is expected to live. */
function neighbourOf(memberId: string, members: Members): Life | undefined {
  const living = Object.keys(members).filter((id) => members[id]?.state !== "restarting");
  const others = living.filter((id) => id !== memberId).sort();
  const id = others.find((each) => each > memberId) ?? others[0];
  const incarnation = id === undefined ? undefined : members[id]?.incarnation;
  return id === undefined || incarnation === undefined ? undefined : { id, incarnation };
}

/** Whether the record under the id says that this life was declared dead. */
function isMarked(id: string, value: unknown, incarnation: string): boolean {
  if (value === undefined) return false;
  const record = parseSession(id, value);
  return record.incarnation === incarnation && record.expired === true;
}
