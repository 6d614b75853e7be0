/** `docktor dlq show`: one message that was set aside, with all that is known of it. */
import type { Command } from "commander";
import { print, printJson } from "../output.ts";
import { addSettings } from "../settings.ts";
import { describeLetter, wholeLetterObject } from "./letters.ts";
import { findLetter, letterId, withDeadLetters } from "./queue.ts";

interface Flags {
  servers: string;
  stream: string;
  json?: true;
}

/** Adds the command to `docktor dlq`. */
export function addDlqShow(dlq: Command): void {
  const command = dlq
    .command("show")
    .summary("show one with its error, origin, headers and data")
    .description(
      "Show a dead letter: why it was set aside, where it came from, its headers and its data. Data " +
        "that is not text is shown in base64.",
    )
    .argument("<id>", "its id, as docktor dlq list tells it", letterId)
    .addHelpText(
      "after",
      `
Example:
  docktor dlq show 12`,
    )
    .action(show);
  addSettings(command, "servers", "stream", "json", "logLevel");
}

async function show(id: number, { servers, stream, json }: Flags): Promise<void> {
  const letter = await withDeadLetters({ servers, stream }, (queue) =>
    findLetter(queue, stream, id),
  );
  if (json) printJson(wholeLetterObject(letter));
  else for (const line of describeLetter(letter, Date.now())) print(line);
}
