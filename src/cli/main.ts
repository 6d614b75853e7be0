#!/usr/bin/env node
/** The command line `docktor`: a user of the library like any other. */
import { readFileSync } from "node:fs";
import { Command, CommanderError } from "commander";
import { addConsume } from "./consume.ts";
import { addDemo } from "./demo.ts";
import { complain, EXIT, Exit, isUsageError, messageOf } from "./failure.ts";
import { exitWith, watchReader } from "./output.ts";
import { addPublish } from "./publish.ts";
import { describeOption, loadEnvironmentFile, variablesBehind } from "./settings.ts";
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
  addDemo(program);
  for (const command of program.commands) {
    command.exitOverride((error) => {
      running ??= command;
      throw error;
    });
  }
  return program;
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
 * What to make of the arguments: none ask for help. Of a command that does not exist, only its
 * name is left, so that no help hides what is wrong.
 */
function askedFor(program: Command, args: readonly string[]): readonly string[] {
  const [first, second] = args;
  if (first === undefined) return ["--help"];
  const name = first === "help" && second !== undefined ? second : first;
  const known = [...program.commands.map((command) => command.name()), "help"];
  return known.includes(name) || name.startsWith("-") ? args : [name];
}

/** Says why, in one line; returns the exit code. */
function explain(error: unknown): number {
  if (error instanceof Exit) return error.code;
  if (error instanceof CommanderError) {
    if (error.exitCode === 0) return EXIT.ok;
    const command = running === undefined ? "docktor" : `docktor ${running.name()}`;
    const message = error.message.replace(/^error: /, "").replace(/\.$/, "");
    complain(`${message}; see ${command} --help`);
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
