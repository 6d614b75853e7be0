/** From the text of a `docktor.yaml` to a configuration, or to everything that is wrong with it. */
import { dirname, resolve } from "node:path";
import { DocktorError } from "../../errors.ts";
import { queueKinds } from "../signals/registry.ts";
import type { ScalerConfig } from "./config.ts";
import { conflictsIn } from "./schema/conflicts.ts";
import { checkKeys, type Draft } from "./schema/file.ts";
import { findingsOf } from "./schema/findings.ts";
import { type Finding, pathText, type Place, readYaml } from "./source.ts";

/** One thing that is wrong with a file. */
export interface ConfigProblem extends Place {
  readonly file: string;
  /** The key it is about, such as `services[0].max_replicas`; empty if it is about the text itself. */
  readonly key: string;
  /** What is wrong, and what to write instead. */
  readonly message: string;
}

/** What was read: a configuration, or all that is wrong, in the order of the file. */
export type ParsedConfig =
  | { readonly config: ScalerConfig }
  | { readonly problems: readonly ConfigProblem[] };

/** What is known from elsewhere. */
export interface ConfigOptions {
  /** The NATS servers of all services, whatever the file says. */
  readonly servers?: string | undefined;
}

/** Reads a configuration from its text. Paths in it begin at the folder of `file`. */
export function parseConfig(text: string, file: string, options: ConfigOptions = {}): ParsedConfig {
  const { value, errors, placeOf } = readYaml(text);
  const problems = errors.map(({ path, ...rest }) => ({ file, key: pathText(path), ...rest }));
  const told = (finding: Finding): ConfigProblem => {
    const { path, message } = finding;
    return { file, ...placeOf(finding), key: pathText(path), message };
  };
  if (value === undefined) return { problems: sorted(problems) };
  if (value === null) {
    const message = 'the file is empty: "docktor config init --force" writes one to begin with';
    return { problems: [told({ path: [], at: "value", message })] };
  }
  const checked = checkKeys(value);
  const found = checked.success ? [] : findingsOf(checked.error.issues, value);
  problems.push(...[...found, ...conflictsIn(value, queueKinds())].map(told));
  if (!checked.success || problems.length > 0) return { problems: sorted(problems) };
  return { config: completed(checked.data, file, options) };
}

/** In one line: `docktor.yaml:12:7 services[0].max_replicas: …`. */
export function problemText({ file, line, column, key, message }: ConfigProblem): string {
  return `${file}:${line}:${column}${key === "" ? "" : ` ${key}`}: ${message}`;
}

/** The error that tells all problems, each in a line of its own. */
export function invalidConfig(problems: readonly ConfigProblem[]): DocktorError {
  return new DocktorError("CONFIG_INVALID", problems.map(problemText).join(";\n"));
}

function completed(
  { composeFile, llm, services }: Draft,
  file: string,
  { servers }: ConfigOptions,
): ScalerConfig {
  const folder = dirname(resolve(file));
  return {
    file,
    llm,
    services: services.map(({ target, queue: written, ...service }) => {
      const { name } = service;
      const elsewhere = servers !== undefined && written?.kind === "nats";
      const queue = elsewhere ? { ...written, url: servers } : written;
      return { ...service, queue, target: target({ folder, composeFile, name, queue }) };
    }),
  };
}

/** In the order of the file, and nothing twice. */
function sorted(problems: readonly ConfigProblem[]): ConfigProblem[] {
  const unique = new Map(problems.map((problem) => [problemText(problem), problem]));
  return [...unique.values()].toSorted((a, b) => a.line - b.line || a.column - b.column);
}
