#!/usr/bin/env node
/** The command line `docktor`: a user of the library like any other. */
import { readFileSync } from "node:fs";
import { Command, CommanderError } from "commander";
import { addConfig } from "./config.ts";
import { addConsume } from "./consume.ts";
import { addDemo } from "./demo.ts";
import { addDlq } from "./dlq.ts";
import { addExplain } from "./explain.ts";
import { complain, EXIT, Exit, isUsageError, messageOf } from "./failure.ts";
import { exitWith, watchReader } from "./output.ts";
import { addPublish } from "./publish.ts";
import { addScaleWatch } from "./scale-watch.ts";
import { describeOption, loadEnvironmentFile, variablesBehind } from "./settings.ts";
import { addSimulate } from "./simulate.ts";
import { addStatus } from "./status.ts";

/** The command that runs, once it is known. */
let running: Command | undefined;

function createProgram(): Command {
  const program = new Command("docktor")
    .description("Kafka-style consumer groups on NATS JetStream.")
    .version(version(), "--version", "print the version")
    .configureHelp({ optionDescription: describeOption })
    .configureOutput({ outputError: () => {} })
    .exitOverride()
    .hook("preAction", (_program, command) => {
      running = command;
    })
    .addHelpText(
      "after",
      `
Settings come from flags, else from the environment, else from .env in the current folder.
Exit codes: 0 success, 1 a failure or lost data, 2 bad usage.

Example:
  docktor demo`,
    );
  addPublish(program);
  addConsume(program);
  addStatus(program);
  addDlq(program);
  addConfig(program);
  addScaleWatch(program);
  addExplain(program);
  addSimulate(program);
  addDemo(program);
  for (const command of program.commands) noteFailures(command);
  return program;
}

/** Has a command, and those within it, say which of them failed. */
function noteFailures(command: Command): void {
  command.exitOverride((error) => {
    running ??= command;
    throw error;
  });
  for (const within of command.commands) noteFailures(within);
}

/** The command as it is typed, with those it is within: `docktor dlq list`. */
function typed(command: Command | null | undefined): string {
  if (command?.parent == null) return "docktor";
  return `${typed(command.parent)} ${command.name()}`;
}

function version(): string {
  const file = new URL("../../package.json", import.meta.url);
  return (JSON.parse(readFileSync(file, "utf8")) as { version: string }).version;
}

async function main(args: readonly string[]): Promise<number> {
  try {
    loadEnvironmentFile();
    const program = createProgram();
    await program.parseAsync(askedFor(program, args), { from: "user" });
    return EXIT.ok;
  } catch (error) {
    return explain(error);
  }
}

/**
 * What to make of the arguments: none, where a command is to follow, ask for help. Of a command that does
 * not exist, only its name is left, so that no help hides what is wrong.
 */
function askedFor(parent: Command, args: readonly string[]): readonly string[] {
  const [first, ...rest] = args;
  if (first === undefined) return ["--help"];
  const name = first === "help" && rest[0] !== undefined ? rest[0] : first;
  const known = parent.commands.find((command) => command.name() === name);
  if (known === undefined) return name === "help" || name.startsWith("-") ? args : [name];
  return first === name && known.commands.length > 0 ? [name, ...askedFor(known, rest)] : args;
}

/** Says why, in one line; returns the exit code. */
function explain(error: unknown): number {
  if (error instanceof Exit) return error.code;
  if (error instanceof CommanderError) {
    if (error.exitCode === 0) return EXIT.ok;
    const message = error.message.replace(/^error: /, "").replace(/\.$/, "");
    complain(`${message}; see ${typed(running)} --help`);
    return EXIT.usage;
  }
  const usage = isUsageError(error);
  const message = messageOf(error);
  const variables = usage && running !== undefined ? variablesBehind(message, running) : [];
  complain(variables.length === 0 ? message : `${message} (set by ${variables.join(", ")})`);
  if (["debug", "trace"].includes(running?.opts()["logLevel"] as string)) console.error(error);
  return usage ? EXIT.usage : EXIT.failed;
}

watchReader();
exitWith(await main(process.argv.slice(2)));
