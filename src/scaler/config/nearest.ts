/** What somebody may have meant who mistyped a name. */

/** The known name that is nearest, if one is near; case and the `_` between words do not count. */
export function nearest(text: string, known: readonly string[]): string | undefined {
  const plain = plainly(text);
  const part = known.find((each) => each.endsWith(`.${text}`));
  if (part !== undefined) return part;
  const most = plain.length < 3 ? 0 : plain.length < 6 ? 1 : 2;
  const near = known
    .map((each) => ({ each, steps: distance(plain, plainly(each)) }))
    .filter(({ steps }) => steps <= most)
    .toSorted((a, b) => a.steps - b.steps);
  return near[0]?.each;
}

/** A question at the end of a sentence about a name that is not known; empty if none is near. */
export function didYouMean(text: string, known: readonly string[]): string {
  const near = nearest(text, known);
  return near === undefined ? "" : `; did you mean ${near}?`;
}

function plainly(text: string): string {
  return text.toLowerCase().replace(/[_-]/g, "");
}

/** How many letters to change, add, leave out or swap with their neighbours. */
function distance(from: string, to: string): number {
  const rows = [Array.from({ length: to.length + 1 }, (_, column) => column)];
  for (let i = 1; i <= from.length; i++) {
    const row = [i];
    const above = rows[i - 1] ?? [];
    for (let j = 1; j <= to.length; j++) {
      const same = from[i - 1] === to[j - 1];
      const swapped = i > 1 && j > 1 && from[i - 1] === to[j - 2] && from[i - 2] === to[j - 1];
      row[j] = Math.min(
        (above[j] ?? 0) + 1,
        (row[j - 1] ?? 0) + 1,
        (above[j - 1] ?? 0) + (same ? 0 : 1),
        swapped ? (rows[i - 2]?.[j - 2] ?? 0) + 1 : Infinity,
      );
    }
    rows.push(row);
  }
  return rows[from.length]?.[to.length] ?? Infinity;
}
