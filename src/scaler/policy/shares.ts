/** How strong a group is that works on whole partitions: no stronger than its busiest member. */

/** What keeps a group from being as strong as its members are together. */
export interface Uneven {
  /** How much work a single member may have, if on average they should have 1. */
  readonly busiest: number;
  /** How much of the need is that of the partition that needs the most. */
  readonly hottest: number;
  /** How fast the slowest member is, as a part of the average. */
  readonly slowest: number;
}

/** A single partition or member is reason for no more than so many times the replicas: from there on, it is to be mended. */
const MOST_FOR_ONE = 2;

/**
 * The fewest members that are as strong as `need` members would be if work could be shared at will. Of n members of P
 * partitions some have ⌈P/n⌉, and the work is done no faster than they do it. The slowest member may be one of those,
 * and so may be the owner of the hottest partition: they may have more to do than others, and should keep up.
 */
export function replicasFor(
  need: number,
  partitions: number,
  { busiest, hottest, slowest }: Uneven = { busiest: 1, hottest: 0, slowest: 1 },
): number {
  if (need <= 0) return 0;
  const evenly = partitions / need;
  const ofSlowest = busiest * slowest * evenly;
  const others = (need - hottest) / Math.max(1, partitions - 1);
  const withHottest = others > 0 ? 1 + (busiest - hottest) / others : partitions;
  const unevenly = Math.max(Math.min(ofSlowest, withHottest), evenly / MOST_FOR_ONE);
  // How many partitions a member may have.
  const most = Math.max(1, Math.floor(Math.min(evenly, unevenly)));
  return Math.ceil(partitions / most);
}

/** The fewest members of which none has more partitions than the busiest of so many: any more would help nobody. */
export function fewestAs(members: number, partitions: number): number {
  return members === 0 ? 0 : Math.ceil(partitions / Math.ceil(partitions / members));
}
