/** `docktor dlq list`: the messages that groups have set aside. */
import type { Command } from "commander";
import type { StoredDeadLetter } from "../../index.ts";
import { print, printJson } from "../output.ts";
import { addSettings } from "../settings.ts";
import { letterObject, letterTable } from "./letters.ts";
import { withDeadLetters } from "./queue.ts";

interface Flags {
  servers: string;
  stream: string;
  group?: string;
  json?: true;
}

/** Adds the command to `docktor dlq`. */
export function addDlqList(dlq: Command): void {
  const command = dlq
    .command("list")
    .summary("list them in the order in which they were set aside")
    .description(
      "List the dead letters of a stream, in the order in which they were set aside; with --json " +
        "one object on each line.",
    )
    .addHelpText(
      "after",
      `
Example:
  docktor dlq list --stream EVENTS --group WORKERS`,
    )
    .action(list);
  addSettings(command, "servers", "stream", "onlyGroup", "json", "logLevel");
}

async function list({ servers, stream, group, json }: Flags): Promise<void> {
  const letters: StoredDeadLetter[] = [];
  await withDeadLetters({ servers, stream }, async (queue) => {
    for await (const letter of queue.list(group)) {
      if (json) printJson(letterObject(letter));
      else letters.push(letter);
    }
  });
  if (json) return;
  if (letters.length > 0) for (const line of letterTable(letters, Date.now())) print(line);
  else
    print(`no dead letters of ${group === undefined ? "" : `group ${group} on `}stream ${stream}`);
}
