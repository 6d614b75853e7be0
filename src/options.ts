/** What every options object has in common: a misspelled name, or a value of another kind, is told and not ignored. */
import { invalidOption, written } from "./errors.ts";

/** Every name that `Options` has; the compiler sees that none is missing. */
export type Names<Options> = Readonly<Record<keyof Required<Options>, true>>;

/**
 * Refuses an option that does not exist, and what is no object of options at all.
 *
 * @throws DocktorError INVALID_OPTION
 */
export function refuseUnknown<Options extends object>(
  options: Options,
  names: Names<Options>,
  prefix = "",
): void {
  if (!isObject(options)) {
    const what = prefix === "" ? "options" : prefix.slice(0, -1);
    // Not the value: where an address was given instead of options, it may have a password in it.
    throw invalidOption(
      `${what} cannot be ${kindOf(options)}: use an object, { ${Object.keys(names).join(", ")} }`,
    );
  }
  const unknown = Object.keys(options).find((name) => !Object.hasOwn(names, name));
  if (unknown === undefined) return;
  const known = Object.keys(names).map((name) => prefix + name);
  throw invalidOption(`${prefix}${unknown} is not an option: there are ${known.join(", ")}`);
}

/**
 * Refuses what says neither whether to create a stream nor how.
 *
 * @throws DocktorError INVALID_OPTION
 */
export function checkEnsureStream<Config extends object>(
  ensureStream: boolean | Config = false,
): boolean | Config {
  if (typeof ensureStream === "boolean" || isObject(ensureStream)) return ensureStream;
  throw invalidOption(
    `ensureStream ${written(ensureStream)} is not possible: use true, false, or an object with settings of the stream`,
  );
}

/** Whether it is an object with fields, and no list. */
export function isObject(value: unknown): value is Record<string, unknown> {
  return typeof value === "object" && value !== null && !Array.isArray(value);
}

function kindOf(value: unknown): string {
  if (value === null || value === undefined) return String(value);
  return Array.isArray(value) ? "a list" : `a ${typeof value}`;
}
