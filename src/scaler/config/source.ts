/** YAML as values, with the place in the file that each of them came from. */
import { type Document, isMap, isScalar, isSeq, LineCounter, parseDocument, visit } from "yaml";
import { messageOf } from "../../errors.ts";

/** The keys and indexes that lead to a value. */
export type Path = readonly (string | number)[];

/** A place in a file; the first line and the first column are 1. */
export interface Place {
  readonly line: number;
  readonly column: number;
}

/** Something that is wrong with a value, or with its key. */
export interface Finding {
  readonly path: Path;
  readonly at: "key" | "value";
  readonly message: string;
}

/** What was read. */
interface Source {
  /** As plain objects, lists and values; undefined where the text is no YAML. */
  readonly value: unknown;
  /** What is wrong with the text itself. */
  readonly errors: readonly (Place & { readonly path: Path; readonly message: string })[];
  /** Where a finding is; of what is not there, where that belongs. */
  readonly placeOf: (finding: Finding) => Place;
}

/** Where the key and the value of one entry begin. */
interface Entry {
  readonly path: Path;
  readonly key: number;
  readonly value: number;
}

/** Reads one document of YAML. */
export function readYaml(text: string): Source {
  const lines = new LineCounter();
  const document = parseDocument(text, {
    lineCounter: lines,
    prettyErrors: false,
    logLevel: "error",
    merge: true,
  });
  const all = [...entriesOf(document.contents, [], 0)];
  const entries = new Map(all.map((entry) => [pathText(entry.path), entry]));
  const placeAt = (offset: number): Place => {
    const { line, col } = lines.linePos(offset);
    return line === 0 ? { line: 1, column: 1 } : { line, column: col };
  };
  const errors = [...document.errors, ...document.warnings].map(
    ({ code, pos: [offset], message }) =>
      code === "DUPLICATE_KEY"
        ? {
            ...placeAt(offset),
            path: pathAt(all, offset),
            message: "is set twice: remove one of them",
          }
        : { ...placeAt(offset), path: [], message: `this is no YAML: ${message}` },
  );
  const placeOf = ({ path, at }: Finding): Place => {
    for (let length = path.length; length >= 0; length--) {
      const entry = entries.get(pathText(path.slice(0, length)));
      if (entry === undefined) continue;
      return placeAt(length === path.length ? entry[at] : entry.key);
    }
    return placeAt(0);
  };
  const broken = document.errors.some(({ code }) => code !== "DUPLICATE_KEY");
  if (broken) return { value: undefined, errors, placeOf };
  const dangling = danglingAliases(document).map(({ offset, name }) => ({
    ...placeAt(offset),
    path: [],
    message: `*${name} names nothing: set an anchor &${name} before it`,
  }));
  if (dangling.length > 0) return { value: undefined, errors: [...errors, ...dangling], placeOf };
  try {
    return { value: document.toJS() as unknown, errors, placeOf };
  } catch (error) {
    // Aliases that multiply without end, or a << of what is no map.
    const message = `this cannot be read: ${messageOf(error)}`;
    return { value: undefined, errors: [...errors, { ...placeAt(0), path: [], message }], placeOf };
  }
}

/** A path as people write it: `services[0].rules`. */
export function pathText(path: Path): string {
  return path
    .map((step, at) => (typeof step === "number" ? `[${step}]` : at === 0 ? step : `.${step}`))
    .join("");
}

/** The value at the end of a path; undefined if there is none. */
export function valueAt(value: unknown, path: Path): unknown {
  return path.reduce<unknown>(
    (within, step) =>
      typeof within === "object" && within !== null && Object.hasOwn(within, step)
        ? (within as Record<string | number, unknown>)[step]
        : undefined,
    value,
  );
}

/** All entries of a node, itself included. What an alias stands for is where its anchor is. */
function* entriesOf(node: unknown, path: Path, key: number): Iterable<Entry> {
  const value = offsetOf(node) ?? key;
  yield { path, key, value };
  if (isSeq(node)) {
    for (const [at, item] of node.items.entries()) {
      yield* entriesOf(item, [...path, at], offsetOf(item) ?? value);
    }
  }
  if (!isMap(node)) return;
  for (const { key: name, value: within } of node.items) {
    if (!isScalar(name)) continue;
    yield* entriesOf(within, [...path, String(name.value)], offsetOf(name) ?? value);
  }
}

function offsetOf(node: unknown): number | undefined {
  return (node as { range?: readonly number[] } | null | undefined)?.range?.[0];
}

function pathAt(entries: readonly Entry[], key: number): Path {
  return entries.find((entry) => entry.key === key && entry.path.length > 0)?.path ?? [];
}

function danglingAliases(document: Document.Parsed): { offset: number; name: string }[] {
  const dangling: { offset: number; name: string }[] = [];
  visit(document, {
    Alias: (_key, alias) => {
      if (alias.resolve(document) !== undefined) return;
      dangling.push({ offset: offsetOf(alias) ?? 0, name: alias.source });
    },
  });
  return dangling;
}
