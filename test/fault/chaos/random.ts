/** Chance that can be replayed: everything follows from the seed. Pure. */

/** A source of chance. */
export interface Chance {
  /** A whole number from `low` to `high`, both included. */
  between(low: number, high: number): number;
  /** One of them; undefined when there is none. */
  pick<T>(items: readonly T[]): T | undefined;
  /** True in so many of a hundred cases. */
  percent(share: number): boolean;
}

/** The chance of that seed (mulberry32). */
export function chance(seed: number): Chance {
  let state = seed >>> 0;
  const next = (): number => {
    state = (state + 0x6d2b79f5) >>> 0;
    let mixed = Math.imul(state ^ (state >>> 15), state | 1);
    mixed ^= mixed + Math.imul(mixed ^ (mixed >>> 7), mixed | 61);
    return ((mixed ^ (mixed >>> 14)) >>> 0) / 2 ** 32;
  };
  const between = (low: number, high: number): number =>
    low + Math.floor(next() * (high - low + 1));
  return {
    between,
    pick: (items) => items[between(0, items.length - 1)],
    percent: (share) => next() * 100 < share,
  };
}
