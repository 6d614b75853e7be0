/** The name under which Compose keeps a project's containers. */
import { existsSync, readFileSync } from "node:fs";
import { basename, dirname, join, resolve } from "node:path";
import { parseDocument } from "yaml";
import { DocktorError, invalidOption, messageOf } from "../../errors.ts";

/** Where Compose looks, in that order. */
const COMPOSE_FILES = [
  "compose.yaml",
  "compose.yml",
  "docker-compose.yml",
  "docker-compose.yaml",
] as const;

const VALID = /^[a-z0-9][a-z0-9_-]*$/;

/** What may say which project it is. */
export interface ProjectSource {
  /** The name itself. */
  readonly project?: string | undefined;
  /** Default: the one that Compose would find from `folder` upwards. */
  readonly composeFile?: string | undefined;
  /** Default: the working folder. */
  readonly folder?: string;
  /** Default: this process's. */
  readonly env?: Readonly<Record<string, string | undefined>>;
}

/**
 * The project's name by Compose's own order: what is given, `COMPOSE_PROJECT_NAME` from the environment or from the `.env`
 * beside the Compose file, the file's `name:`, the name of the file's folder.
 *
 * @throws DocktorError INVALID_OPTION when it is no valid name, TARGET_UNAVAILABLE when the Compose file cannot be read
 */
export function projectName(source: ProjectSource): string {
  const { project, folder = process.cwd(), env = process.env } = source;
  if (project !== undefined) return requireValid("target.project", project);
  const fromEnvironment = env["COMPOSE_PROJECT_NAME"];
  if (fromEnvironment) return requireValid("COMPOSE_PROJECT_NAME", fromEnvironment);
  const file = source.composeFile ?? findComposeFile(folder);
  const fromDotEnv = readDotEnv(join(dirname(file), ".env"))["COMPOSE_PROJECT_NAME"];
  if (fromDotEnv) return requireValid("COMPOSE_PROJECT_NAME in .env", fromDotEnv);
  const named = readName(file);
  if (named !== undefined) return requireValid(`name in ${file}`, named);
  const normalized = normalizeProjectName(basename(dirname(resolve(file))));
  if (normalized !== "") return normalized;
  throw invalidOption(
    `the folder of ${file} has no letter or digit to name the project by: set target.project, as Compose needs -p there`,
  );
}

/** A folder's name as Compose makes a project's name of it; empty when nothing is left. */
export function normalizeProjectName(name: string): string {
  return name
    .toLowerCase()
    .replaceAll(/[^a-z0-9_-]/g, "")
    .replace(/^[_-]+/, "");
}

function requireValid(what: string, name: string): string {
  if (VALID.test(name)) return name;
  const why = name.includes("$")
    ? "docktor does not put variables in: set target.project to what `docker compose ls` shows"
    : "use lower-case letters, digits, - and _, beginning with a letter or digit";
  throw invalidOption(`${what} ${JSON.stringify(name)} is not a project's name: ${why}`);
}

function findComposeFile(folder: string): string {
  for (let at = resolve(folder); ; at = dirname(at)) {
    const found = COMPOSE_FILES.map((name) => join(at, name)).find((file) => existsSync(file));
    if (found !== undefined) return found;
    if (at === dirname(at)) break;
  }
  throw new DocktorError(
    "TARGET_UNAVAILABLE",
    `there is no Compose file in ${folder} or above it: set target.compose_file or target.project`,
  );
}

function readName(file: string): string | undefined {
  try {
    const name: unknown = parseDocument(readFileSync(file, "utf8")).get("name");
    return typeof name === "string" ? name : undefined;
  } catch (error) {
    throw new DocktorError(
      "TARGET_UNAVAILABLE",
      `the Compose file ${file} cannot be read: ${messageOf(error)}; correct target.compose_file`,
      { cause: error },
    );
  }
}

/** The plain lines of such a file; one that is not there has none. */
function readDotEnv(file: string): Readonly<Record<string, string>> {
  if (!existsSync(file)) return {};
  const lines = readFileSync(file, "utf8").split(/\r?\n/);
  const settings = lines.flatMap((line): [string, string][] => {
    const found = /^\s*(?:export\s+)?(\w+)\s*=\s*(?:"([^"]*)"|'([^']*)'|([^#]*))/.exec(line);
    return found?.[1] === undefined
      ? []
      : [[found[1], found[2] ?? found[3] ?? found[4]?.trim() ?? ""]];
  });
  return Object.fromEntries(settings);
}
