/** What every options object has in common: a misspelled name is told, not ignored. */
import { invalidOption } from "./errors.ts";

/** Every name that `Options` has; the compiler sees that none is missing. */
export type Names<Options> = Readonly<Record<keyof Required<Options>, true>>;

/**
 * Refuses an option that does not exist.
 *
 * @throws DocktorError INVALID_OPTION
 */
export function refuseUnknown<Options extends object>(
  options: Options,
  names: Names<Options>,
  prefix = "",
): void {
  const unknown = Object.keys(options).find((name) => !Object.hasOwn(names, name));
  if (unknown === undefined) return;
  const known = Object.keys(names).map((name) => prefix + name);
  throw invalidOption(`${prefix}${unknown} is not an option: there are ${known.join(", ")}`);
}
