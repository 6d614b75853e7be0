/** `docktor dlq replay`: has groups try again what they have set aside, and tells what becomes of it. */
import type { Command } from "commander";
import { type DeadLetterQueue, DocktorError, type StoredDeadLetter } from "../../index.ts";
import { complain, EXIT, Exit } from "../failure.ts";
import { count, duration, plural } from "../format.ts";
import { print, printJson, showProgress } from "../output.ts";
import { addSettings } from "../settings.ts";
import { type Outcome, outcomeObject, outcomeTable } from "./letters.ts";
import { findLetter, letterId, withDeadLetters } from "./queue.ts";

interface Flags {
  servers: string;
  stream: string;
  group?: string;
  key?: string;
  all?: true;
  timeoutMs: number;
  json?: true;
}

/** How many are asked for at a time: so often there is progress to show. */
const CHUNK = 50;

/** Adds the command to `docktor dlq`. */
export function addDlqReplay(dlq: Command): void {
  const command = dlq
    .command("replay")
    .summary("have their groups try them again, in order")
    .description(
      "Have their groups try dead letters again, in order: those of the given ids, of a key, or all. " +
        "One that is handled is removed. With --key and --all, what is set aside meanwhile is tried, " +
        "too. Exits with 1 when one was not handled.",
    )
    .argument(
      "[ids...]",
      "their ids, as docktor dlq list tells them",
      (text, before: readonly number[] | undefined) => [...(before ?? []), letterId(text)],
    )
    .addHelpText(
      "after",
      `
Examples:
  docktor dlq replay 12 13
  docktor dlq replay --key order-42
  docktor dlq replay --all --group WORKERS`,
    )
    .action(replay);
  addSettings(command, "servers", "stream", "onlyGroup", "key", "all", "timeoutMs");
  addSettings(command, "json", "logLevel");
}

async function replay(ids: readonly number[] = [], flags: Flags): Promise<void> {
  checkSelection(ids, flags);
  const startedAt = performance.now();
  const { servers, stream, timeoutMs, json } = flags;
  const outcomes: Outcome[] = [];
  const timeLeft = (): number => Math.max(0, startedAt + timeoutMs - performance.now());
  let next: StoredDeadLetter[] = [];
  await withDeadLetters({ servers, stream }, async (queue) => {
    next = await select(queue, ids, flags);
    // What came meanwhile follows a parked key: tried until nothing is left, or something fails.
    do {
      for await (const outcome of replayed(queue, next, timeLeft)) {
        outcomes.push(outcome);
        if (json) printJson(outcomeObject(outcome));
      }
      const tried = new Set(outcomes.map(({ letter }) => letter.id));
      const now = ids.length > 0 ? [] : await select(queue, ids, flags);
      next = now.filter(({ id }) => !tried.has(id));
    } while (next.length > 0 && outcomes.every(isHandled) && timeLeft() > 0);
  });
  report(outcomes, next.length, performance.now() - startedAt, flags);
}

function checkSelection(ids: readonly number[], { key, all }: Flags): void {
  const ways = [ids.length > 0, key !== undefined, all === true].filter(Boolean).length;
  if (ways === 1) return;
  throw new DocktorError(
    "INVALID_OPTION",
    `${ways === 0 ? "nothing is selected" : "too much is selected"}: name either ids, --key or --all; see docktor dlq replay --help`,
  );
}

async function select(
  queue: DeadLetterQueue,
  ids: readonly number[],
  { stream, group, key }: Flags,
): Promise<StoredDeadLetter[]> {
  const letters: StoredDeadLetter[] = [];
  for (const id of new Set(ids)) letters.push(await findLetter(queue, stream, id));
  if (letters.length > 0) return letters;
  for await (const letter of queue.list(group)) {
    if (key === undefined || letter.key === key) letters.push(letter);
  }
  return letters;
}

/** Replays them, some at a time, and tells what became of each. */
async function* replayed(
  queue: DeadLetterQueue,
  letters: readonly StoredDeadLetter[],
  timeLeft: () => number,
): AsyncIterable<Outcome> {
  for (let i = 0; i < letters.length; i += CHUNK) {
    showProgress(`replayed ${count(i)} of ${plural(letters.length, "dead letter")}`);
    const chunk = letters.slice(i, i + CHUNK);
    const outcomes = await queue.replay(
      chunk.map(({ id }) => id),
      timeLeft(),
    );
    showProgress("");
    for (const [at, letter] of chunk.entries()) {
      yield { letter, outcome: outcomes[at]?.outcome ?? "pending" };
    }
  }
}

function report(
  outcomes: readonly Outcome[],
  left: number,
  durationMs: number,
  { stream, timeoutMs, json }: Flags,
): void {
  const of = (wanted: Outcome["outcome"]): Outcome[] =>
    outcomes.filter(({ outcome }) => outcome === wanted);
  const [handled, failed, pending] = [of("handled"), of("failed"), of("pending")];
  const counts = { handled: handled.length, failed: failed.length, pending: pending.length };
  if (json) printJson({ ...counts, left, durationMs: Math.round(durationMs) });
  else {
    if (outcomes.length > 0) for (const line of [...outcomeTable(outcomes), ""]) print(line);
    print(
      `replayed ${plural(outcomes.length, "dead letter")} of stream ${stream} in ${duration(durationMs)}: ` +
        `${count(counts.handled)} handled, ${count(counts.failed)} failed, ${count(counts.pending)} pending`,
    );
  }
  const groups = [...new Set(pending.map(({ letter }) => letter.group))].join(", ");
  const next = [
    failed.length > 0 &&
      `${count(failed.length)} failed again, or must wait for an earlier one of the same key: the log of the group's members tells why; mend the handler, and replay again`,
    pending.length > 0 &&
      `${count(pending.length)} not reached by a member of ${groups} within ${duration(timeoutMs)}: each is tried when a member gets to it; see with docktor status that one runs`,
    left > 0 && `${count(left)} more set aside meanwhile: run the same command again`,
  ].filter((text) => text !== false);
  if (next.length === 0) return;
  complain(next.join("; "));
  throw new Exit(EXIT.failed);
}

function isHandled({ outcome }: Outcome): boolean {
  return outcome === "handled";
}
