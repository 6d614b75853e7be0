/** A chart of cost and lateness, as SVG: one color a kind of policy, one point a setting, and a line along the best. */

/** One setting. */
export interface Point {
  readonly replicas: number;
  /** In per cent. */
  readonly overSlo: number;
  readonly title: string;
  /** Whether it is the one that stands for its kind. */
  readonly chosen: boolean;
}

/** The settings of one kind. */
export interface Line {
  readonly name: string;
  readonly points: readonly Point[];
}

/** One part of the chart. */
export interface Panel {
  readonly heading: string;
  readonly lines: readonly Line[];
  /** What the time over the SLO may be, in per cent. */
  readonly gate: number;
}

const [WIDTH, HEIGHT] = [360, 300];
const [LEFT, TOP, BOTTOM, GAP] = [52, 66, 44, 30];
const COLORS = ["#c0392b", "#2f6fb0", "#3a9d5d", "#8e6bb8", "#e08e2b", "#777777"];
const REPLICAS = [6, 8, 10, 12, 14, 16];
const LATE = [0.25, 0.5, 1, 2, 5, 10, 20, 50];

/** The chart, its panels side by side. */
export function scatter(panels: readonly Panel[]): string {
  const width = panels.length * (LEFT + WIDTH + GAP);
  const height = TOP + HEIGHT + BOTTOM;
  const names = panels[0]?.lines.map(({ name }) => name) ?? [];
  const legend = names.flatMap((name, i) => {
    const x = LEFT + i * 125;
    return [`<circle cx="${x}" cy="16" r="5" fill="${color(i)}"/>`, text(x + 10, 20, name)];
  });
  const parts = panels.flatMap((panel, i) => part(panel, i * (LEFT + WIDTH + GAP)));
  const size = `width="${width}" height="${height}" viewBox="0 0 ${width} ${height}"`;
  const style = 'font-family="system-ui, sans-serif" font-size="12" fill="#444"';
  const background = `<rect width="${width}" height="${height}" fill="#fff"/>`;
  return `<svg xmlns="http://www.w3.org/2000/svg" ${size} ${style}>\n${[background, ...legend, ...parts].join("\n")}\n</svg>\n`;
}

function part({ heading, lines, gate }: Panel, left: number): string[] {
  const x = (replicas: number): number => left + LEFT + position(replicas, REPLICAS) * WIDTH;
  const y = (late: number): number =>
    TOP + HEIGHT - position(Math.log(late), LATE.map(Math.log)) * HEIGHT;
  const [from, to] = [left + LEFT, left + LEFT + WIDTH];
  const rules = [
    ...LATE.flatMap((late) => [
      `<path d="M${from} ${y(late).toFixed(1)}H${to}" stroke="#e4e4e4"/>`,
      text(from - 8, y(late) + 4, `${late} %`, "end"),
    ]),
    ...REPLICAS.map((replicas) => text(x(replicas), TOP + HEIGHT + 18, String(replicas), "middle")),
    `<path d="M${from} ${y(gate).toFixed(1)}H${to}" stroke="#444" stroke-dasharray="4 3"/>`,
    text(from, TOP - 12, heading),
    text((from + to) / 2, TOP + HEIGHT + 36, "replicas on average", "middle"),
  ];
  const drawn = lines.map(({ points }, i) => {
    const seen = points.filter(
      ({ overSlo, replicas }) => inside(overSlo, LATE) && inside(replicas, REPLICAS),
    );
    const at = ({ replicas, overSlo }: Point): [string, string] => [
      x(replicas).toFixed(1),
      y(overSlo).toFixed(1),
    ];
    const best = front(seen);
    const path = best.map((point) => at(point).join(" ")).join("L");
    return [
      ...(best.length > 1
        ? [`<path d="M${path}" fill="none" stroke="${color(i)}" stroke-opacity="0.45"/>`]
        : []),
      ...seen.map((point) => {
        const [cx, cy] = at(point);
        const shape = `cx="${cx}" cy="${cy}" r="${point.chosen ? 6 : 3}" fill="${color(i)}"`;
        return `<circle ${shape}><title>${escaped(point.title)}</title></circle>`;
      }),
    ];
  });
  // The first comes last, and so on top.
  return [...rules, ...drawn.toReversed().flat()];
}

/** Those for which no other has both fewer replicas and less that is late. */
function front(points: readonly Point[]): readonly Point[] {
  const inOrder = points.toSorted((a, b) => a.replicas - b.replicas || a.overSlo - b.overSlo);
  let least = Infinity;
  return inOrder.filter(({ overSlo }) => {
    const isBetter = overSlo < least;
    least = Math.min(least, overSlo);
    return isBetter;
  });
}

/** From 0 to 1, where a value lies on a scale. */
function position(value: number, scale: readonly number[]): number {
  const [least, most] = [scale[0] ?? 0, scale.at(-1) ?? 1];
  return (value - least) / (most - least);
}

function inside(value: number, scale: readonly number[]): boolean {
  return value >= (scale[0] ?? 0) && value <= (scale.at(-1) ?? 0);
}

function color(i: number): string {
  return COLORS[i % COLORS.length] ?? "#444";
}

function text(x: number, y: number, words: string, anchor = "start"): string {
  return `<text x="${x.toFixed(1)}" y="${y.toFixed(1)}" text-anchor="${anchor}">${escaped(words)}</text>`;
}

function escaped(words: string): string {
  return words.replaceAll("&", "&amp;").replaceAll("<", "&lt;");
}
