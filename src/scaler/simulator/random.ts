/** Chance with a seed: the same seed gives the same numbers, on every machine. */
import { fnv1a32 } from "../../partition/partitioner.ts";

/** A source of chance. */
export interface Random {
  /** At least 0 and below 1. */
  next(): number;
  /** Between these. */
  between(least: number, most: number): number;
  /** From the normal distribution with mean 0 and deviation 1. */
  normal(): number;
  /** How many events there are where `mean` are to be expected, and each comes by itself. */
  poisson(mean: number): number;
}

/**
 * Chance from a text. What should not depend on each other gets a source of its own, as in `7/arrivals` and
 * `7/start-up`: so the same messages come in whatever a policy does.
 */
export function createRandom(seed: string): Random {
  const next = sfc32(seed);
  const random: Random = {
    next,
    between: (least, most) => least + (most - least) * next(),
    // Box and Muller.
    normal: () => Math.sqrt(-2 * Math.log(1 - next())) * Math.cos(2 * Math.PI * next()),
    poisson(mean) {
      // Beyond that the first term is too small to count with; halves of it add up.
      if (mean > 30) return random.poisson(mean / 2) + random.poisson(mean / 2);
      let term = Math.exp(-mean);
      let below = next() - term;
      let count = 0;
      while (below > 0 && term > 0) {
        count += 1;
        term *= mean / count;
        below -= term;
      }
      return count;
    },
  };
  return random;
}

/** Chris Doty-Humphrey's small fast counting generator, of PractRand. */
function sfc32(seed: string): () => number {
  let [a, b, c, counter] = [fnv1a32(`${seed}/a`), fnv1a32(`${seed}/b`), fnv1a32(`${seed}/c`), 1];
  const next = (): number => {
    const result = (a + b + counter) | 0;
    counter = (counter + 1) | 0;
    a = b ^ (b >>> 9);
    b = (c + (c << 3)) | 0;
    c = (((c << 21) | (c >>> 11)) + result) | 0;
    return (result >>> 0) / 2 ** 32;
  };
  for (let i = 0; i < 12; i++) next();
  return next;
}
