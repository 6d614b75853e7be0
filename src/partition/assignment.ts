/**
 * Which member should own which partition: a pure function that every member computes
 * for itself from what it sees, so that nobody has to lead.
 *
 * The assignment is balanced (sizes differ by at most one), sticky (no more partitions
 * change owner than balance requires) and deterministic in any order of its input. It is
 * a fixed point of itself, and carrying it out in part leads back to the same plan, so
 * that members which see different moments do not undo each other's moves.
 */

/** What the assignment is computed from. */
export interface AssignmentInput {
  /** How many partitions there are. */
  readonly partitions: number;
  /** The members that can own partitions. */
  readonly members: readonly string[];
  /** Those of them that are away for a restart: they keep of what they have, and get nothing new. */
  readonly away?: ReadonlySet<string>;
  /** Who owns a partition now, or was promised it; undefined if nobody. */
  readonly ownerOf: (partition: number) => string | undefined;
  /** The member that should not have a partition, as it has just given it up; if any. */
  readonly shunnedBy?: (partition: number) => string | undefined;
}

/** Of these members, the one that is to have the fewest partitions; undefined if there is none. */
export function leastLoaded(
  assignment: Assignment,
  members: readonly string[],
): string | undefined {
  const sizes = new Map([...members].sort().map((member) => [member, 0]));
  for (const owner of assignment) {
    const size = owner === undefined ? undefined : sizes.get(owner);
    if (owner !== undefined && size !== undefined) sizes.set(owner, size + 1);
  }
  return [...sizes].sort(([, a], [, b]) => a - b)[0]?.[0];
}

/** The owner of each partition, by partition; undefined only when nobody is there to take it. */
export type Assignment = readonly (string | undefined)[];

/** Computes the assignment. */
export function assign(input: AssignmentInput): Assignment {
  const { partitions, members, away = new Set(), ownerOf, shunnedBy = () => undefined } = input;
  const owners = Array.from<string | undefined>({ length: partitions });
  const held = new Map<string, number[]>();
  for (const member of [...members].sort()) held.set(member, []);
  if (held.size === 0) return owners;

  const orphans: number[] = [];
  for (let partition = 0; partition < partitions; partition++) {
    const owner = ownerOf(partition);
    const share = owner === undefined ? undefined : held.get(owner);
    (share ?? orphans).push(partition);
  }

  const quotas = quotasFor(partitions, held, away);
  const hungry: [member: string, wants: number][] = [];
  const shunned = (partition: number): boolean => shunnedBy(partition) !== undefined;
  for (const [member, all] of held) {
    const quota = quotas.get(member) ?? 0;
    // The highest partitions go first, in every member's view, but for those that someone shuns.
    const share = [...all.filter(shunned), ...all.filter((partition) => !shunned(partition))];
    for (const partition of share.slice(0, quota)) owners[partition] = member;
    orphans.push(...share.slice(quota));
    if (share.length < quota) hungry.push([member, quota - share.length]);
  }

  let free = orphans.sort((a, b) => a - b);
  for (const [member, wants] of hungry) {
    const shuns = (partition: number): boolean => shunnedBy(partition) === member;
    const order = [...free.filter((partition) => !shuns(partition)), ...free.filter(shuns)];
    for (const partition of order.slice(0, wants)) owners[partition] = member;
    free = order.slice(wants).sort((a, b) => a - b);
  }
  return owners;
}

/**
 * How many partitions each member is to have: an even share, or what it has if it is away and has
 * less. What an absent member does not take is shared evenly among the others.
 */
function quotasFor(
  partitions: number,
  held: ReadonlyMap<string, readonly number[]>,
  away: ReadonlySet<string>,
): Map<string, number> {
  const has = (member: string): number => held.get(member)?.length ?? 0;
  const quotas = new Map<string, number>();
  let rest = partitions;
  for (;;) {
    const open = [...held.keys()].filter((member) => !quotas.has(member));
    const even = evenQuotas(rest, open, has);
    const short = open.filter(
      (member) => away.has(member) && has(member) < (even.get(member) ?? 0),
    );
    if (short.length === 0) return new Map([...quotas, ...even]);
    for (const member of short) {
      quotas.set(member, has(member));
      rest -= has(member);
    }
  }
}

/**
 * Shares evenly. Where that leaves a remainder, members that hold more than the even share have
 * one more, so that it need not move. Among those the name decides and not the size, which changes
 * while the assignment is being carried out.
 */
function evenQuotas(
  partitions: number,
  members: readonly string[],
  has: (member: string) => number,
): Map<string, number> {
  const base = Math.floor(partitions / members.length);
  const extra = partitions % members.length;
  const holdsMore = (member: string): boolean => has(member) > base;
  const order = [...members.filter(holdsMore), ...members.filter((member) => !holdsMore(member))];
  return new Map(order.map((member, i) => [member, i < extra ? base + 1 : base]));
}
