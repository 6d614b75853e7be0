/** Figures, lists and tables for people, and JSON for programs. Pure. */

/** A value as JSON, its figures with at most three decimals: what clocks and divisions add is noise. */
export function json(value: unknown): string {
  return JSON.stringify(value, (_key, field: unknown) =>
    typeof field === "number" && !Number.isInteger(field) ? Number(field.toFixed(3)) : field,
  );
}

/** A whole number with its thousands set apart: `12,345`. */
export function count(value: number): string {
  return Math.round(value).toLocaleString("en-US");
}

/** `1 message`, `2 messages`. */
export function plural(value: number, noun: string): string {
  return `${count(value)} ${noun}${value === 1 ? "" : "s"}`;
}

/** Messages per second: `12,345/s`, below ten with one decimal. */
export function rate(perSecond: number): string {
  const tenths = Math.round(perSecond * 10) / 10;
  return `${tenths < 10 ? String(tenths) : count(perSecond)}/s`;
}

/** Sorted numbers with neighbours joined: `0-7,12`; `-` for none. */
export function ranges(numbers: readonly number[]): string {
  const sorted = [...numbers].sort((a, b) => a - b);
  const parts: { first: number; last: number }[] = [];
  for (const number of sorted) {
    const part = parts.at(-1);
    if (part !== undefined && number <= part.last + 1) part.last = number;
    else parts.push({ first: number, last: number });
  }
  if (parts.length === 0) return "-";
  return parts.map(({ first, last }) => (first === last ? `${first}` : `${first}-${last}`)).join();
}

/** How long: `250 ms`, `3.4 s`, `2m 05s`, `1h 02m`, `3d 04h`. */
export function duration(ms: number): string {
  if (ms < 1_000) return `${Math.round(ms)} ms`;
  if (ms < 59_950) return `${(ms / 1_000).toFixed(1)} s`;
  const seconds = Math.round(ms / 1_000);
  const two = (value: number): string => String(Math.floor(value)).padStart(2, "0");
  if (seconds < 3_600) return `${Math.floor(seconds / 60)}m ${two(seconds % 60)}s`;
  if (seconds < 86_400) return `${Math.floor(seconds / 3_600)}h ${two((seconds % 3_600) / 60)}m`;
  return `${Math.floor(seconds / 86_400)}d ${two((seconds % 86_400) / 3_600)}h`;
}

/** Text of unknown origin in one line that a terminal can show, shortened to `most` characters. */
export function oneLine(text: string, most: number = Number.POSITIVE_INFINITY): string {
  const characters = Array.from(text.replace(/\p{C}+/gu, " "));
  if (characters.length <= most) return characters.join("");
  return `${characters.slice(0, most - 1).join("")}…`;
}

/** Lines in columns, each as wide as its widest cell; columns of figures end on the right. */
export function table(
  headers: readonly string[],
  rows: readonly (readonly string[])[],
  figures: readonly number[] = [],
): string[] {
  const widths = headers.map((header, i) =>
    Math.max(header.length, ...rows.map((row) => row[i]?.length ?? 0)),
  );
  return [headers, ...rows].map((row) =>
    row
      .map((cell, i) =>
        figures.includes(i) ? cell.padStart(widths[i] ?? 0) : cell.padEnd(widths[i] ?? 0),
      )
      .join("  ")
      .trimEnd(),
  );
}
