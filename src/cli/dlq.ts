/** `docktor dlq`: what to do about messages that groups have set aside. */
import type { Command } from "commander";
import { addDlqList } from "./dlq/list.ts";
import { addDlqReplay } from "./dlq/replay.ts";
import { addDlqShow } from "./dlq/show.ts";

/** Adds the command and its own commands to the program. */
export function addDlq(program: Command): void {
  const command = program
    .command("dlq")
    .summary("list, show and replay the messages that groups have set aside")
    .description(
      "List, show and replay dead letters: the messages that the groups of a stream could not " +
        "handle and have set aside in the stream <stream>_DLQ.",
    )
    .addHelpText(
      "after",
      `
Examples:
  docktor dlq list --stream EVENTS
  docktor dlq replay --key order-42`,
    );
  addDlqList(command);
  addDlqShow(command);
  addDlqReplay(command);
}
