/** `docktor config init`: a configuration to begin with. */
import { existsSync, writeFileSync } from "node:fs";
import type { Command } from "commander";
import { DocktorError } from "../../index.ts";
import { messageOf } from "../failure.ts";
import { print, printJson } from "../output.ts";
import { addSettings } from "../settings.ts";
import { TEMPLATE } from "./template.ts";

interface Flags {
  config?: string;
  force?: true;
  json?: true;
}

const FILE = "docktor.yaml";
/** It is read where there is no docktor.yaml. */
const OTHER_FILE = "docktor.yml";

/** Adds the command to `docktor config`. */
export function addConfigInit(config: Command): void {
  const command = config
    .command("init")
    .summary("write a docktor.yaml that says what each key means")
    .description("Write a docktor.yaml for one service, in which comments say what each key means.")
    .option("--config <file>", `where to write it; default: ${FILE} in the current folder`)
    .option("--force", "overwrite the file if it is there")
    .addHelpText(
      "after",
      `
Example:
  docktor config init --config examples/docktor.yaml`,
    )
    .action(init);
  addSettings(command, "json", "logLevel");
}

function init({ config, force, json }: Flags): void {
  const file = config ?? FILE;
  if (!force) refuseOverwriting(config === undefined ? [FILE, OTHER_FILE] : [config]);
  try {
    writeFileSync(file, TEMPLATE, { flag: force ? "w" : "wx" });
  } catch (error) {
    throw new DocktorError("INVALID_OPTION", `cannot write ${file}: ${messageOf(error)}`, {
      cause: error,
    });
  }
  const named = config === undefined ? "" : ` --config ${file}`;
  if (json) printJson({ file });
  else {
    print(`wrote ${file}`);
    print(
      `next: name your stream, consumer and command in it; docktor config validate${named} says whether it can work`,
    );
  }
}

function refuseOverwriting(files: readonly string[]): void {
  const there = files.find((file) => existsSync(file));
  if (there === undefined) return;
  throw new DocktorError(
    "INVALID_OPTION",
    `${there} is there already: keep it, name another file with --config, or replace it with --force`,
  );
}
