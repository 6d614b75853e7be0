/** Dead letters as tables and texts for people, and as objects for programs. Pure. */
import type { Replayed, StoredDeadLetter } from "../../index.ts";
import { count, duration, oneLine, plural, table } from "../format.ts";

/** The most characters of a key and of an error in a table. */
const KEY_WIDTH = 24;
const ERROR_WIDTH = 60;

/** What became of a letter that was replayed. */
export interface Outcome {
  readonly letter: StoredDeadLetter;
  readonly outcome: Replayed["outcome"];
}

/** One line per letter, below their headers. */
export function letterTable(letters: readonly StoredDeadLetter[], now: number): string[] {
  const headers = ["ID", "GROUP", "PARTITION", "KEY", "REASON", "ATTEMPTS", "ERROR", "AGE"];
  const rows = letters.map((letter) => [
    String(letter.id),
    letter.group,
    String(letter.partition),
    shownKey(letter),
    letter.reason,
    count(letter.attempts),
    oneLine(letter.error, ERROR_WIDTH),
    age(letter, now),
  ]);
  return table(headers, rows, [0, 2, 5]);
}

/** One line per replayed letter, below their headers. */
export function outcomeTable(outcomes: readonly Outcome[]): string[] {
  const rows = outcomes.map(({ letter, outcome }) => [
    String(letter.id),
    letter.group,
    String(letter.partition),
    shownKey(letter),
    outcome,
  ]);
  return table(["ID", "GROUP", "PARTITION", "KEY", "OUTCOME"], rows, [0, 2]);
}

/** All that is known of a letter. */
export function describeLetter(letter: StoredDeadLetter, now: number): string[] {
  const { id, group, partition, reason, attempts, error, memberId, origin, setAsideAt } = letter;
  const { text, encoding } = dataOf(letter);
  const size = plural(letter.data.length, "byte");
  const facts = table(
    ["dead letter", String(id)],
    [
      ["group", group],
      ["partition", String(partition)],
      ["key", letter.key === undefined ? "-" : oneLine(letter.key)],
      ["reason", reason],
      ["attempts", count(attempts)],
      ["error", oneLine(error)],
      ["set aside", `${setAsideAt.toISOString()} (${age(letter, now)} ago) by ${memberId}`],
      [
        "origin",
        `${origin.subject}, sequence ${origin.sequence}, ${origin.timestamp.toISOString()}`,
      ],
    ],
  );
  const headers = Object.entries(letter.headers ?? {}).flatMap(([name, values]) =>
    [values].flat().map((value) => [name, oneLine(value)]),
  );
  return [
    ...facts,
    "",
    ...(headers.length === 0 ? [] : [...table(["HEADER", "VALUE"], headers), ""]),
    `data, ${size}${encoding === "base64" ? " in base64" : ""}:`,
    text,
  ];
}

/** A letter without headers and data, which may be long. */
export function letterObject(letter: StoredDeadLetter): Record<string, unknown> {
  const { id, group, partition, key = null, reason, attempts, error } = letter;
  const { memberId, origin, setAsideAt } = letter;
  return { id, group, partition, key, reason, attempts, error, memberId, setAsideAt, origin };
}

/** A letter with headers and data. */
export function wholeLetterObject(letter: StoredDeadLetter): Record<string, unknown> {
  const { text, encoding } = dataOf(letter);
  return { ...letterObject(letter), headers: letter.headers ?? {}, data: text, encoding };
}

/** What became of a letter. */
export function outcomeObject({ letter, outcome }: Outcome): Record<string, unknown> {
  const { id, group, partition, key = null } = letter;
  return { id, group, partition, key, outcome };
}

function shownKey({ key }: StoredDeadLetter): string {
  return key === undefined ? "-" : oneLine(key, KEY_WIDTH);
}

function age({ setAsideAt }: StoredDeadLetter, now: number): string {
  return duration(Math.max(0, now - setAsideAt.getTime()));
}

/** The data as text if it is text that a terminal can show, else in base64. */
function dataOf({ data }: StoredDeadLetter): { text: string; encoding: "utf8" | "base64" } {
  try {
    const text = new TextDecoder("utf-8", { fatal: true, ignoreBOM: true }).decode(data);
    if (!/[^\P{Cc}\t\r\n]/u.test(text)) return { text, encoding: "utf8" };
  } catch {
    // Not UTF-8.
  }
  return { text: Buffer.from(data).toString("base64"), encoding: "base64" };
}
