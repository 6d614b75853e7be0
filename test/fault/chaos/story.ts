/** The shortest account of what happened around a finding, for people. */
import type { Evidence, Finding } from "./evidence.ts";

/** How much of the time before a finding is told, and after it. */
const [BEFORE_MS, AFTER_MS] = [4_000, 500];
/** The most lines: the last ones matter most. */
const MOST_LINES = 60;

interface Line {
  readonly at: number;
  readonly text: string;
}

/** What was done, written and handled around the finding. */
export function story(evidence: Evidence, finding: Finding): string {
  const { startedAt } = evidence;
  const end = finding.at ?? Infinity;
  const lines = [...faults(evidence), ...writes(evidence, finding), ...events(evidence, finding)]
    .filter(({ at }) => at >= end - BEFORE_MS && at <= end + AFTER_MS)
    .sort((a, b) => a.at - b.at)
    .slice(-MOST_LINES)
    .map(({ at, text }) => `  ${((at - startedAt) / 1_000).toFixed(3).padStart(8)} s  ${text}`);
  return [`${finding.rule}: ${finding.text}`, ...lines].join("\n");
}

function faults({ performed }: Evidence): Line[] {
  return performed.flatMap(({ what, from, to }) => [
    { at: from, text: `>> ${what}` },
    ...(to - from > 20 ? [{ at: to, text: `<< over: ${what}` }] : []),
  ]);
}

function writes({ writes: all, rosters }: Evidence, { partition }: Finding): Line[] {
  const lines = rosters.map(({ at, revision, members }) => {
    const each = Object.entries(members).map(([id, state]) =>
      state === "active" ? id : `${id} ${state}`,
    );
    return { at, text: `   [${revision}] roster: ${each.join(", ") || "nobody"}` };
  });
  return lines.concat(
    all
      .filter((write) => write.partition === partition)
      .map((write) => {
        const { at, epoch, kind, revision } = write;
        if (kind === "checkpoint") {
          return {
            at,
            text: `   [${revision}] checkpoint: epoch ${epoch}, up to ${write.sequence}`,
          };
        }
        const whose =
          write.owner === undefined ? `free, for ${write.next ?? "anyone"}` : `of ${write.owner}`;
        return { at, text: `   [${revision}] lease: epoch ${epoch}, ${whose}` };
      }),
  );
}

/** What members tell of the partition, and of themselves; handled messages are taken together. */
function events({ events: all }: Evidence, { partition }: Finding): Line[] {
  const lines: Line[] = [];
  let run: { member: string; epoch: number; from: number; to: number; at: number } | undefined;
  const endRun = (): void => {
    if (run === undefined) return;
    const { member, epoch, from, to, at } = run;
    lines.push({
      at,
      text: `   ${member} handled ${from === to ? from : `${from} … ${to}`} in epoch ${epoch}`,
    });
    run = undefined;
  };
  for (const event of all) {
    if ("partition" in event && event.partition !== partition) continue;
    const { at, member, type } = event;
    if (type === "start" || type === "commit") continue;
    if (type === "end" && event.outcome === "handled") {
      const { epoch, sequence } = event;
      if (run?.member !== member || run.epoch !== epoch || at - run.at > 500) endRun();
      run = { member, epoch, from: run?.from ?? sequence, to: sequence, at };
      continue;
    }
    endRun();
    const { at: _at, member: _member, type: _type, ...rest } = event;
    lines.push({ at, text: `   ${member} ${type} ${JSON.stringify(rest)}` });
  }
  endRun();
  return lines;
}
