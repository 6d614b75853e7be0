/** A chart of horizontal bars, as SVG: one group a comparison, one bar a contender and server. */

/** One bar. */
export interface Bar {
  readonly label: string;
  /** How long it is, and what stands behind it. */
  readonly value: number;
  readonly text: string;
  /** Which color: one for each server. */
  readonly series: number;
}

/** Bars under a heading. */
export interface Group {
  readonly heading: string;
  readonly bars: readonly Bar[];
}

const WIDTH = 760;
const LABELS = 150;
const TEXTS = 90;
const BAR = 14;
const HEADING = 34;
const LEGEND = 26;
const COLORS = ["#2f6fb0", "#8fb7de"];

/** The chart; `series` names the colors. */
export function bars(groups: readonly Group[], series: readonly string[]): string {
  const most = Math.max(...groups.flatMap((group) => group.bars.map(({ value }) => value)));
  const lines: string[] = [];
  let y = LEGEND;
  series.forEach((name, i) => {
    lines.push(`<rect x="${LABELS + i * 180}" y="8" width="12" height="12" fill="${color(i)}"/>`);
    lines.push(text(LABELS + 18 + i * 180, 18, name));
  });
  for (const group of groups) {
    lines.push(text(0, y + 22, group.heading, "bold"));
    y += HEADING;
    let label = "";
    for (const bar of group.bars) {
      const length = ((WIDTH - LABELS - TEXTS) * bar.value) / most;
      if (bar.label !== label) {
        y += 4;
        lines.push(text(8, y + BAR - 3, bar.label));
      }
      label = bar.label;
      const rectangle = `x="${LABELS}" y="${y}" width="${length.toFixed(1)}" height="${BAR - 2}"`;
      lines.push(`<rect ${rectangle} fill="${color(bar.series)}"/>`);
      lines.push(text(LABELS + length + 6, y + BAR - 3, bar.text));
      y += BAR;
    }
  }
  const size = `width="${WIDTH}" height="${y + 8}" viewBox="0 0 ${WIDTH} ${y + 8}"`;
  const style = 'font-family="system-ui, sans-serif" font-size="12" fill="#444"';
  const background = `<rect width="${WIDTH}" height="${y + 8}" fill="#fff"/>`;
  return `<svg xmlns="http://www.w3.org/2000/svg" ${size} ${style}>\n${[background, ...lines].join("\n")}\n</svg>\n`;
}

function color(series: number): string {
  return COLORS[series % COLORS.length] ?? "#444";
}

function text(x: number, y: number, words: string, weight = "normal"): string {
  const escaped = words.replaceAll("&", "&amp;").replaceAll("<", "&lt;");
  return `<text x="${x.toFixed(1)}" y="${y.toFixed(1)}" font-weight="${weight}">${escaped}</text>`;
}
