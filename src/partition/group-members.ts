/** Who is on a group's roster, and which of them live, seen from outside the group. */
import {
  isLiveSession,
  type MemberState,
  type MemberWork,
  parseRoster,
  parseSession,
  ROSTER_KEY,
} from "../lease/records.ts";
import type { Store } from "../lease/store.ts";

/**
 * How a member is.
 *
 * - `active`, `draining`: its state on the roster; its session lives
 * - `restarting`: it stops or has stopped, and is expected back under its id. Its partitions are kept
 *   for it until its `restartDelayMs` has passed, and beyond that until another member is there
 * - `dead`: its session has expired or was declared dead, and nobody was there yet to take it off the roster. Its
 *   partitions stay leased by it until another member takes them.
 */
export type MemberStatusState = MemberState | "dead";

/** A member as its group knows it. */
export interface SeenMember {
  readonly id: string;
  readonly state: MemberStatusState;
  /** When it joined, Unix milliseconds by its own clock. */
  readonly startedAt: number;
  readonly incarnation: string;
  /** What it has done in this life; undefined when it is not there, or has not told yet. */
  readonly work: MemberWork | undefined;
}

/**
 * The members on the roster, sorted by id; undefined when there never was one.
 *
 * @param sessions undefined when the bucket is gone, and every session with it
 * @throws DocktorError RECORD_INVALID, TIMEOUT, CONNECTION_CLOSED
 */
export async function readMembers(
  leases: Store,
  sessions: Store | undefined,
): Promise<SeenMember[] | undefined> {
  for (;;) {
    const entry = await leases.get(ROSTER_KEY);
    if (entry === undefined) return undefined;
    const seen = await Promise.all(
      Object.entries(parseRoster(entry.value).members).map(async ([id, member]) => {
        const { state, incarnation, startedAt } = member;
        const session = (await sessions?.get(id))?.value;
        const lives = isLiveSession(id, session, incarnation);
        // One that restarts has no session meanwhile.
        const seenAs = lives || state === "restarting" ? state : ("dead" as const);
        const work = lives ? parseSession(id, session).work : undefined;
        return { id, state: seenAs, startedAt, incarnation, work };
      }),
    );
    const lost = seen.some(({ state }) => state === "dead");
    // Who left between the two looks took its session along, and is not dead.
    if (lost && (await leases.get(ROSTER_KEY))?.revision !== entry.revision) continue;
    return seen.sort((a, b) => (a.id < b.id ? -1 : 1));
  }
}
