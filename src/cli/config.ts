/** `docktor config`: writing a configuration for the scaler, and seeing that it can work. */
import type { Command } from "commander";
import { addConfigInit } from "./config/init.ts";
import { addConfigValidate } from "./config/validate.ts";

/** Adds the command and its own commands to the program. */
export function addConfig(program: Command): void {
  const command = program
    .command("config")
    .summary("write and check the configuration of the scaler")
    .description(
      "Write and check docktor.yaml, which says what is scaled, by what, and where it runs.",
    )
    .addHelpText(
      "after",
      `
Examples:
  docktor config init
  docktor config validate`,
    );
  addConfigInit(command);
  addConfigValidate(command);
}
