/** The numbers that tell the replicas of a service apart. Pure. */

/** The lowest number from 1 that is not taken. */
export function lowestFree(taken: Iterable<number>): number {
  const all = new Set(taken);
  let number = 1;
  while (all.has(number)) number++;
  return number;
}
