/**
 * Finds members whose session is gone and takes them off the roster: those whose neighbour died with
 * them, and those that were to be restarted and did not come back.
 *
 * nats-server 2.9 says nothing when a key expires, so someone has to look. All members
 * look in turn: the more there are, the less often each of them does, so that the group
 * as a whole finds a crash quickly at a cost that does not grow with it, as long as each
 * may wait: everyone looks at least twice a TTL. The first to notice changes the roster,
 * and every other one learns it from there.
 *
 * A member that may be restarted keeps its place at first. Everyone waits for its delay on their own
 * clock, from when they first saw it gone; whoever is through first takes it off.
 */
import { type Clock, slept } from "../clock.ts";
import { parseSession, type RosterMember } from "./records.ts";
import {
  changeRoster,
  endLife,
  type GroupIdentity,
  type Members,
  withoutMember,
} from "./roster.ts";
import { declareDead, type Session } from "./session.ts";
import type { SessionStore, Store } from "./store.ts";

/** How often the group as a whole looks, at most. */
const GROUP_INTERVAL_MS = 50;
/** How often one member looks, at most. */
const MEMBER_INTERVAL_MS = 100;

/** What looking after the other members needs. */
export interface LivenessOptions {
  clock: Clock;
  identity: GroupIdentity;
  sessions: SessionStore;
  leases: Store;
  session: Session;
  /** The members as the group's view shows them. */
  members: () => Members;
  onError: (error: unknown) => void;
}

/** How long a member waits between two looks, in a group of that size. */
export function lookIntervalMs(members: number, ttlMs: number): number {
  const idle = ttlMs / 2;
  if (members < 2) return idle;
  return Math.min(Math.max(MEMBER_INTERVAL_MS, members * GROUP_INTERVAL_MS), idle);
}

/** Looks after the group until the session is lost or the signal aborts. */
export async function watchLiveness(options: LivenessOptions, signal: AbortSignal): Promise<void> {
  const { clock, session, onError } = options;
  const memory: Memory = {
    since: clock.now(),
    seen: new Set(),
    dead: new Set(),
    goneSince: new Map(),
  };
  for (;;) {
    const size = Object.keys(options.members()).length;
    const interval = lookIntervalMs(size, session.ttlMs);
    // Spread, so that members which joined together do not look together for ever.
    if (!(await slept(clock, interval * (0.75 + Math.random() / 2), signal))) return;
    try {
      await look(options, memory);
    } catch (error) {
      onError(error);
    }
  }
}

/** What an observer remembers from one look to the next, by incarnation. */
interface Memory {
  /** Since when sessions have lived as long as they should, for all it knows. */
  since: number;
  /** Whom it has seen alive. */
  readonly seen: Set<string>;
  /** Whom it has declared dead: what is under their keys is the mark. */
  readonly dead: Set<string>;
  /** Since when it knows that one expected back is gone, on its own clock. */
  readonly goneSince: Map<string, number>;
}

/**
 * One look. After an outage longer than the TTL every session is gone at once, and the
 * first member back must not take the rest for dead: absence counts only for a session
 * this member has seen alive, or once it has been around for a TTL (`hereForATtl`). It begins anew after
 * the sessions had another time to live, as in a race of newcomers to an empty group: what went by
 * that was trusted by its owner.
 */
async function look(options: LivenessOptions, memory: Memory): Promise<void> {
  const { clock, sessions, leases, identity, session } = options;
  const suspects = Object.entries(options.members()).filter(([id]) => id !== session.memberId);
  const { keys, ttlMs } = await sessions.live();
  if (ttlMs !== session.ttlMs) {
    await sessions.setTtl(session.ttlMs);
    memory.since = clock.now();
    memory.seen.clear();
    return;
  }
  const hereForATtl = clock.now() - memory.since >= session.ttlMs;
  for (const [id, member] of suspects) {
    const { incarnation, state } = member;
    const marked = memory.dead.has(incarnation);
    if (keys.has(id) && !marked && !(await hasStopped(sessions, id, member))) {
      memory.seen.add(incarnation);
      continue;
    }
    const goneSince = memory.goneSince.get(incarnation) ?? clock.now();
    if (state === "restarting") {
      memory.goneSince.set(incarnation, goneSince);
      if (clock.now() - goneSince < (member.restartDelayMs ?? 0)) continue;
    } else if (!hereForATtl && !memory.seen.has(incarnation)) continue;
    if (!session.trusted()) return;
    if (!(await declareDead(sessions, id, incarnation))) continue;
    memory.dead.add(incarnation);
    const change = state === "restarting" ? withoutMember : endLife;
    await changeRoster(leases, identity, (roster) => change(roster, id, incarnation));
  }
}

/** Whether a member that is to be restarted has ended its session, the traces of which last for a TTL. */
async function hasStopped(
  sessions: SessionStore,
  id: string,
  { state }: RosterMember,
): Promise<boolean> {
  if (state !== "restarting") return false;
  const entry = await sessions.get(id);
  return entry === undefined || parseSession(id, entry.value).expired === true;
}
