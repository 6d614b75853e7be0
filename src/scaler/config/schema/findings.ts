/** What zod has found, in words for people. */
import type { z } from "zod";
import { written } from "../../../errors.ts";
import { didYouMean } from "../nearest.ts";
import { type Finding, type Path, valueAt } from "../source.ts";

/** One or more findings for each issue; `raw` is what was checked. */
export function findingsOf(issues: readonly z.core.$ZodIssue[], raw: unknown): Finding[] {
  return issues.flatMap((issue): Finding[] => {
    const path = issue.path as Path;
    if (issue.code === "unrecognized_keys") {
      const known = issue.message.split(", ");
      return issue.keys.map((key) => unknownKey([...path, key], key, known));
    }
    const value = valueAt(raw, path);
    if (value === undefined) return [missing(path, issue.message)];
    const what = value === null ? "has no value" : `${shown(value)} is not possible`;
    const message = `${what}: use ${issue.message}${hint(issue, value)}`;
    return [{ path, at: "value", message }];
  });
}

/** The finding that something is not there, and what it may be. */
export function missing(path: Path, use: string): Finding {
  return { path, at: "key", message: `is missing: use ${use}` };
}

function unknownKey(path: Path, key: string, known: readonly string[]): Finding {
  const near = didYouMean(key, known);
  const message = `there is no such key${near === "" ? `: there are ${known.join(", ")}` : near}`;
  return { path, at: "key", message };
}

/** A value as the user wrote it, in short. */
function shown(value: unknown): string {
  if (Array.isArray(value)) return "a list";
  return typeof value === "object" ? "a group of keys" : written(value);
}

function hint(issue: z.core.$ZodIssue, value: unknown): string {
  if (issue.code !== "invalid_value" || typeof value !== "string") return "";
  return didYouMean(
    value,
    issue.values.filter((each) => typeof each === "string"),
  );
}
