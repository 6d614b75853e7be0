/** `docktor explain`: what was decided lately, and why. */
import type { Command } from "commander";
import { type DecisionEntry, decisionLogPath, readDecisions } from "../index.ts";
import { complain, EXIT, Exit } from "./failure.ts";
import { count, oneLine, table } from "./format.ts";
import { print, printJson } from "./output.ts";
import { addSettings, wholeNumber } from "./settings.ts";

interface Flags {
  tail: number;
  service?: string;
  decisionLog?: string;
  json?: true;
}

const HEADERS = ["SERVICE", "TIME", "ACTION", "FROM→TO"];

/** Between columns. */
const GAP = 2;

/** A reason is never cut to fewer characters than this. */
const LEAST_REASON = 20;

/** Adds the command to the program. */
export function addExplain(program: Command): void {
  const command = program
    .command("explain")
    .summary("show what the scaler has decided lately, and why")
    .description(
      "Show the newest decisions of the scaler, and why it has made them; with --json the lines of its log.",
    )
    .option("--tail <n>", "how many", wholeNumber(1, Number.MAX_SAFE_INTEGER), 10)
    .option("--service <name>", "only those about this service")
    .addHelpText(
      "after",
      `
Example:
  docktor explain --tail 20 --service consumer`,
    )
    .action(explain);
  addSettings(command, "decisionLog", "json", "logLevel");
}

async function explain({ tail, service, decisionLog, json }: Flags): Promise<void> {
  const path = decisionLog ?? decisionLogPath();
  const read = await readDecisions(path, { newest: tail, service });
  if (read === undefined) {
    complain(
      `there is no log of decisions at ${path}: docktor scale-watch writes one; name another with --decision-log`,
    );
    throw new Exit(EXIT.failed);
  }
  const { entries, total } = read;
  if (json) {
    for (const entry of entries) printJson(entry);
    return;
  }
  const width = process.stdout.isTTY ? process.stdout.columns : undefined;
  if (entries.length > 0) {
    for (const line of [...decisionTable(entries, new Date(), width), ""]) print(line);
  }
  const filter = service === undefined ? "" : ` (filtered by service: ${service})`;
  print(`Showing ${count(entries.length)} of ${count(total)} total decisions${filter}`);
}

/** One line per decision below their headers; reasons are cut to fit into `width` characters, if that is given. */
export function decisionTable(
  entries: readonly DecisionEntry[],
  now: Date,
  width: number = Number.POSITIVE_INFINITY,
): string[] {
  const rows = entries.map((entry) => [
    oneLine(entry.service),
    shownTime(new Date(entry.ts), now),
    entry.decision,
    `${entry.current_replicas}→${entry.target_replicas}`,
  ]);
  const widths = HEADERS.map((header, i) =>
    Math.max(header.length, ...rows.map((row) => row[i]?.length ?? 0)),
  );
  const used = widths.reduce((sum, each) => sum + each + GAP, 0);
  const left = Math.max(LEAST_REASON, width - used);
  return table(
    [...HEADERS, "REASON"],
    rows.map((row, i) => [...row, oneLine(reasonOf(entries[i]), left)]),
  );
}

function reasonOf(entry: DecisionEntry | undefined): string {
  if (entry === undefined) return "";
  return entry.dry_run ? `${entry.reason} (dry run)` : entry.reason;
}

/** The local time of day, with the date unless it is that of `now`. */
function shownTime(at: Date, now: Date): string {
  const two = (value: number): string => String(value).padStart(2, "0");
  const time = [at.getHours(), at.getMinutes(), at.getSeconds()].map(two).join(":");
  if (at.toDateString() === now.toDateString()) return time;
  return `${at.getFullYear()}-${two(at.getMonth() + 1)}-${two(at.getDate())} ${time}`;
}
