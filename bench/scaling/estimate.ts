/** Means with how sure they are. */

/** A mean of several seeds, and how far off it may be: the half of its 95 % confidence interval. */
export interface Estimate {
  readonly mean: number;
  readonly plusMinus: number;
}

/** The normal distribution's quantile for 95 % on both sides. */
const Z = 1.959964;

/** The mean of at least one value. */
export function meanOf(values: readonly number[]): number {
  return values.reduce((sum, value) => sum + value, 0) / values.length;
}

/** The estimate from one figure of each seed, by Student's t. */
export function estimate(values: readonly number[]): Estimate {
  const mean = meanOf(values);
  const freedom = values.length - 1;
  if (freedom < 1) return { mean, plusMinus: Number.NaN };
  const variance = values.reduce((sum, value) => sum + (value - mean) ** 2, 0) / freedom;
  return { mean, plusMinus: quantile(freedom) * Math.sqrt(variance / values.length) };
}

/** Student's t for 95 %, by the first terms of its expansion about the normal distribution's: right to 1 % from 5 on. */
function quantile(freedom: number): number {
  const first = (Z ** 3 + Z) / (4 * freedom);
  const second = (5 * Z ** 5 + 16 * Z ** 3 + 3 * Z) / (96 * freedom ** 2);
  return Z + first + second;
}

/** It in a table: `0.92 ± 0.05`. */
export function inWords({ mean, plusMinus }: Estimate, digits: number): string {
  return `${mean.toFixed(digits)} ± ${plusMinus.toFixed(digits)}`;
}
