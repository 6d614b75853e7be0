/**
 * Who belongs to the group: one record that every join, leave and expiry changes by
 * compare-and-set, so that its revisions put them in one order that all members see.
 */
import { DocktorError, isDocktorError } from "../errors.ts";
import { parseRoster, type Roster, ROSTER_KEY, type RosterMember } from "./records.ts";
import { ABSENT, type Store } from "./store.ts";

/** Which group it is. */
export interface GroupIdentity {
  readonly stream: string;
  readonly subject: string;
  readonly group: string;
}

/** The members by id. */
export type Members = Readonly<Record<string, RosterMember>>;

/** A roster with its revision. */
export interface RosterEntry {
  readonly roster: Roster;
  readonly revision: number;
}

/**
 * The group's roster; undefined if the group never had a member.
 *
 * @throws DocktorError GROUP_MISMATCH when the bucket belongs to another group
 */
export async function readRoster(
  store: Store,
  identity: GroupIdentity,
): Promise<RosterEntry | undefined> {
  const entry = await store.get(ROSTER_KEY);
  if (entry === undefined) return undefined;
  const roster = parseRoster(entry.value);
  const same =
    roster.stream === identity.stream &&
    roster.group === identity.group &&
    roster.subject === identity.subject;
  if (same) return { roster, revision: entry.revision };
  throw new DocktorError(
    "GROUP_MISMATCH",
    `group ${identity.group} on stream ${identity.stream} cannot consume ${identity.subject}: its buckets belong to group ${roster.group} on stream ${roster.stream}, which consumes ${roster.subject}; choose another group name`,
  );
}

/**
 * Changes the roster and returns its new revision. `change` sees the newest roster and
 * returns the wanted one, or undefined to leave it as it is; it may be called again
 * when another member's change came first.
 */
export async function changeRoster(
  store: Store,
  identity: GroupIdentity,
  change: (current: Roster | undefined) => Roster | undefined | Promise<Roster | undefined>,
): Promise<number> {
  for (;;) {
    const current = await readRoster(store, identity);
    const wanted = await change(current?.roster);
    if (wanted === undefined) return current?.revision ?? ABSENT;
    try {
      return await store.write(ROSTER_KEY, wanted, current?.revision ?? ABSENT);
    } catch (error) {
      if (!isDocktorError(error, "CONFLICT")) throw error;
    }
  }
}

/** The roster with this member's entry set. */
export function withMember(roster: Roster, memberId: string, member: RosterMember): Roster {
  return { ...roster, members: { ...roster.members, [memberId]: member } };
}

/** The roster without this life of the member; undefined when it is not in it. */
export function withoutMember(
  roster: Roster | undefined,
  memberId: string,
  incarnation: string,
): Roster | undefined {
  if (roster?.members[memberId]?.incarnation !== incarnation) return undefined;
  const { [memberId]: _gone, ...members } = roster.members;
  return { ...roster, members };
}

/**
 * The roster after that life of the member has ended: without it, unless the group is to wait for its
 * restart. Undefined when that makes no difference.
 */
export function endLife(
  roster: Roster | undefined,
  memberId: string,
  incarnation: string,
): Roster | undefined {
  const member = roster?.members[memberId];
  if (roster === undefined || member?.incarnation !== incarnation) return undefined;
  // Whoever is draining, by its own word or another's, leaves for good.
  if (member.restartDelayMs === undefined || member.state === "draining") {
    return withoutMember(roster, memberId, incarnation);
  }
  if (member.state === "restarting") return undefined;
  return withMember(roster, memberId, { ...member, state: "restarting" });
}
