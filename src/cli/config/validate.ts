/** `docktor config validate`: whether a configuration can work, one line for each thing that was looked at. */
import type { Command } from "commander";
import {
  checkConfig,
  type ConfigCheckResult,
  findConfig,
  isDocktorError,
  readConfig,
  type ScalerConfig,
} from "../../index.ts";
import { complain, EXIT, Exit } from "../failure.ts";
import { oneLine, plural } from "../format.ts";
import { print, printJson } from "../output.ts";
import { addSettings } from "../settings.ts";

interface Flags {
  config?: string;
  servers?: string;
  json?: true;
}

/** Adds the command to `docktor config`. */
export function addConfigValidate(config: Command): void {
  const command = config
    .command("validate")
    .summary("check the configuration, and all that it names")
    .description(
      "Check the configuration, and that all it names is there, with a line for each check; with --json one " +
        "object. Exits with 1 when a check fails.",
    )
    .addHelpText(
      "after",
      `
Example:
  docktor config validate --config examples/docktor.yaml`,
    )
    .action(validate);
  addSettings(command, "config", "queueServers", "json", "logLevel");
}

async function validate({ config: named, servers, json }: Flags): Promise<void> {
  const results: ConfigCheckResult[] = [];
  const tell = (result: ConfigCheckResult): void => {
    results.push(result);
    if (!json) print(checkLine(result));
  };
  const config = readTelling({ named, servers }, tell);
  if (config !== undefined) {
    for await (const result of checkConfig(config)) tell(result);
  }
  const failed = results.filter(({ ok }) => !ok).length;
  if (json) printJson({ ok: failed === 0, checks: results });
  else if (failed === 0) print("All checks passed!");
  if (failed === 0) return;
  complain(
    `${plural(failed, "check")} of ${results.length} failed: mend what each says, and run docktor config validate again`,
  );
  throw new Exit(EXIT.failed);
}

/** Reads the configuration; undefined if it cannot be used, after telling all that is wrong with it. */
function readTelling(
  { named, servers }: { named: string | undefined; servers: string | undefined },
  tell: (result: ConfigCheckResult) => void,
): ScalerConfig | undefined {
  try {
    const file = findConfig(named);
    const parsed = readConfig(file, { servers });
    if ("config" in parsed) {
      const names = parsed.config.services.map(({ name }) => name).join(", ");
      tell({
        name: file,
        ok: true,
        message: `${plural(parsed.config.services.length, "service")}: ${names}`,
      });
      return parsed.config;
    }
    for (const { line, column, key, message } of parsed.problems) {
      const place = `${file}:${line}:${column}`;
      tell({ name: key === "" ? place : `${place} ${key}`, ok: false, message });
    }
  } catch (error) {
    if (!isDocktorError(error, "CONFIG_INVALID")) throw error;
    tell({ name: named ?? "configuration", ok: false, message: error.message });
  }
  return undefined;
}

/** A check for people. */
function checkLine({ name, ok, message }: ConfigCheckResult): string {
  return `${ok ? "✓" : "✗"} ${name}: ${oneLine(message)}`;
}
