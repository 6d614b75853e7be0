/** What a program said last before it ended: the line that tells why. Pure. */

/** Long enough for a sentence, short enough for a table's cell. */
const MOST_CHARACTERS = 300;

/** A stack's lines and other details are indented; Node ends with its version. */
const DETAIL = /^\s|^Node\.js v\d/;

/** Colours and cursor movements. */
const ESCAPES = new RegExp(`${String.fromCharCode(27)}\\[[0-9;?]*[A-Za-z]`, "g");

/** The last line of a log that says something; undefined when none does. */
export function lastWords(log: string): string | undefined {
  const lines = log
    .replaceAll(ESCAPES, "")
    .split(/\r?\n/)
    .filter((line) => /[\p{L}\p{N}]/u.test(line));
  const told = lines.findLast((line) => !DETAIL.test(line)) ?? lines.at(-1);
  return told?.trim().slice(0, MOST_CHARACTERS);
}

/** How a replica ended, for people: `exit code 3: no such stream`. */
export function endedWith(
  how: { readonly exitCode: number } | { readonly killedBy: string },
  words: string | undefined,
): string {
  const end = "exitCode" in how ? `exit code ${how.exitCode}` : `killed by ${how.killedBy}`;
  return words === undefined ? `${end}, and it said nothing` : `${end}: ${words}`;
}
