/** Durations as people write them: `30` and `"30s"` are 30 seconds. */

const UNITS = { h: 3_600_000, m: 60_000, s: 1_000, ms: 1 } as const;

/** In milliseconds; undefined if it is no duration. A number is of seconds. */
export function durationMs(value: unknown): number | undefined {
  if (typeof value === "number") return value >= 0 ? Math.round(value * UNITS.s) : undefined;
  if (typeof value !== "string") return undefined;
  const [, figure, unit] = /^(\d+(?:\.\d+)?) ?(ms|s|m|h)$/.exec(value) ?? [];
  if (figure === undefined || unit === undefined) return undefined;
  return Math.round(Number(figure) * UNITS[unit as keyof typeof UNITS]);
}

/** In the largest unit of which it is a whole number: `90s`, `5m`. */
export function writtenDuration(ms: number): string {
  if (ms === 0) return "0s";
  const [unit, size] = Object.entries(UNITS).find(([, each]) => ms % each === 0) ?? ["ms", 1];
  return `${ms / size}${unit}`;
}
