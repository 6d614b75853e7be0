/** Finding and reading `docktor.yaml`. */
import { existsSync, readFileSync } from "node:fs";
import { join } from "node:path";
import { DocktorError, messageOf } from "../../errors.ts";
import type { ScalerConfig } from "./config.ts";
import { type ConfigOptions, invalidConfig, parseConfig, type ParsedConfig } from "./parse.ts";

/** The names that are looked for, the first one first. */
const NAMES = ["docktor.yaml", "docktor.yml"];

/**
 * The file to read: the one that is named, else `docktor.yaml`, else `docktor.yml` in the folder, which is the current
 * one unless it is given.
 *
 * @throws DocktorError CONFIG_INVALID when none is named and none is there
 */
export function findConfig(named?: string, folder = ""): string {
  if (named !== undefined) return named;
  const found = NAMES.map((name) => join(folder, name)).find((file) => existsSync(file));
  if (found !== undefined) return found;
  throw new DocktorError(
    "CONFIG_INVALID",
    `there is no ${NAMES.join(" or ")} here: write one with "docktor config init", or name another with --config`,
  );
}

/**
 * Reads a file, and tells all that is wrong with it instead of throwing it.
 *
 * @throws DocktorError CONFIG_INVALID when the file cannot be read
 */
export function readConfig(file: string, options?: ConfigOptions): ParsedConfig {
  let text: string;
  try {
    text = readFileSync(file, "utf8");
  } catch (error) {
    throw new DocktorError(
      "CONFIG_INVALID",
      `cannot read the configuration ${file}: ${messageOf(error)}; name another with --config, or write one with "docktor config init"`,
      { cause: error },
    );
  }
  return parseConfig(text, file, options);
}

/**
 * Reads a configuration.
 *
 * @throws DocktorError CONFIG_INVALID when the file cannot be read, or with a line for each thing that is wrong with it
 */
export function loadConfig(file: string, options?: ConfigOptions): ScalerConfig {
  const parsed = readConfig(file, options);
  if ("config" in parsed) return parsed.config;
  throw invalidConfig(parsed.problems);
}
