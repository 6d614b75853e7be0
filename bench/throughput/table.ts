/** How a comparison is printed. */
import type { Outcome, Spread } from "./compare.ts";

/** One line per side. */
export function table(title: string, outcomes: readonly Outcome[]): string {
  const rows = outcomes.map(({ name, rate, ratio, cpuSeconds, peakMb }) => [
    name,
    `${Math.round(rate / 1_000)} k/s`,
    inWords(ratio),
    cpuSeconds.toFixed(2),
    `${Math.round(peakMb)} MB`,
  ]);
  const all = [[title, "rate", "ratio (least–most)", "CPU s/M", "peak"], ...rows];
  const widths = all[0]?.map((_, column) =>
    Math.max(...all.map((row) => row[column]?.length ?? 0)),
  );
  return all
    .map((row) =>
      row
        .map((cell, i) => cell.padEnd(widths?.[i] ?? 0))
        .join("  ")
        .trimEnd(),
    )
    .join("\n");
}

function inWords({ median, least, most }: Spread): string {
  return `${median.toFixed(2)}× (${least.toFixed(2)}–${most.toFixed(2)})`;
}
