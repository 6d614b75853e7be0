/** The services of a compose file, with those of the files it includes. */
import { readFile } from "node:fs/promises";
import { dirname, resolve } from "node:path";
import { DocktorError, messageOf } from "../../errors.ts";
import { didYouMean } from "./nearest.ts";
import { pathText, readYaml, valueAt } from "./source.ts";

/** What matters here of a service in a compose file. */
interface ComposeService {
  readonly container_name?: unknown;
}

/** Services by their names. */
type ComposeServices = ReadonlyMap<string, ComposeService>;

/**
 * Reads a compose file.
 *
 * @throws DocktorError CONFIG_INVALID when it, or one that it includes, cannot be read
 */
export async function readCompose(file: string): Promise<ComposeServices> {
  const services = new Map<string, ComposeService>();
  await gather(resolve(file), services, new Set());
  if (services.size > 0) return services;
  throw new DocktorError("CONFIG_INVALID", `${file} has no services: name a compose file`);
}

/**
 * The service of that name; `file` is what the compose file is called in an error.
 *
 * @throws DocktorError CONFIG_INVALID
 */
export function findService(services: ComposeServices, name: string, file: string): ComposeService {
  const found = services.get(name);
  if (found !== undefined) return found;
  const known = [...services.keys()];
  const near = didYouMean(name, known) || `: there are ${known.join(", ")}`;
  throw new DocktorError("CONFIG_INVALID", `${file} has no service ${name}${near}`);
}

async function gather(
  file: string,
  into: Map<string, ComposeService>,
  seen: Set<string>,
): Promise<void> {
  if (seen.has(file)) return;
  seen.add(file);
  const { value, errors } = readYaml(await contentOf(file));
  const [error] = errors.filter(({ message }) => !/unresolved tag/i.test(message));
  if (error !== undefined) {
    const { line, column, path, message } = error;
    const at = `${file}:${line}:${column}${path.length === 0 ? "" : ` ${pathText(path)}`}`;
    throw new DocktorError("CONFIG_INVALID", `${at}: ${message}`);
  }
  for (const included of includesOf(value))
    await gather(resolve(dirname(file), included), into, seen);
  const services = valueAt(value, ["services"]);
  if (typeof services !== "object" || services === null) return;
  for (const [name, service] of Object.entries(services)) {
    into.set(name, typeof service === "object" && service !== null ? service : {});
  }
}

/** Files that Compose reads with this one; those from elsewhere, or that variables name, are left out. */
function includesOf(value: unknown): string[] {
  const include = valueAt(value, ["include"]);
  if (!Array.isArray(include)) return [];
  const paths = include.flatMap((each: unknown) =>
    typeof each === "string" ? [each] : ([valueAt(each, ["path"])].flat() as unknown[]),
  );
  return paths.filter(
    (path) => typeof path === "string" && !/:\/\/|\$|^git@/.test(path),
  ) as string[];
}

async function contentOf(file: string): Promise<string> {
  try {
    return await readFile(file, "utf8");
  } catch (error) {
    throw new DocktorError(
      "CONFIG_INVALID",
      `cannot read the compose file ${file}: ${messageOf(error)}; set compose_file to the one of your stack`,
      { cause: error },
    );
  }
}
