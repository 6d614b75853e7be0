/** Who is on a group's roster, and which of them live, seen from outside the group. */
import { isLiveSession, type MemberState, parseRoster, ROSTER_KEY } from "../lease/records.ts";
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
        // One that restarts has no session meanwhile.
        const isThere =
          state === "restarting" ||
          isLiveSession(id, (await sessions?.get(id))?.value, incarnation);
        return { id, state: isThere ? state : ("dead" as const), startedAt };
      }),
    );
    const lost = seen.some(({ state }) => state === "dead");
    // Who left between the two looks took its session along, and is not dead.
    if (lost && (await leases.get(ROSTER_KEY))?.revision !== entry.revision) continue;
    return seen.sort((a, b) => (a.id < b.id ? -1 : 1));
  }
}
