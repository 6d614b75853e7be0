/**
 * The kinds of values there are. The message of each says what to use instead of a value that is not possible;
 * `findings.ts` makes a sentence of it.
 */
import { z } from "zod";
import { durationMs, writtenDuration } from "../duration.ts";

/** The most replicas of a service. */
const MOST_REPLICAS = 10_000;

const DAY_MS = 86_400_000;

/** A whole number between these, both included. */
export function whole(min: number, max: number): z.ZodType<number> {
  const use = `a whole number from ${min} to ${max}`;
  return z.int(use).min(min, use).max(max, use);
}

/** How many replicas. */
export function replicas(min: number): z.ZodType<number> {
  return whole(min, MOST_REPLICAS);
}

/** A number between these, both included. */
export function decimal(min: number, max: number): z.ZodType<number> {
  const use = `a number from ${min} to ${max}`;
  return z.number(use).min(min, use).max(max, use);
}

/** A duration between these, both included, in milliseconds. */
export function duration(min = 0, max: number = DAY_MS): z.ZodType<number> {
  const use = `seconds or a duration such as 500ms, 30s, 5m or 1h, from ${writtenDuration(min)} to ${writtenDuration(max)}`;
  return z.unknown().transform((value, context) => {
    const ms = durationMs(value);
    if (ms !== undefined && ms >= min && ms <= max) return ms;
    context.issues.push({ code: "custom", message: use, input: value });
    return z.NEVER;
  });
}

/** A text that is not empty. */
export function text(use: string): z.ZodType<string> {
  return z.string(use).min(1, use);
}

/** A text that looks like this. */
export function pattern(use: string, looks: RegExp): z.ZodType<string> {
  return z.string(use).regex(looks, use);
}

/** A text; YAML takes some, such as `1` and `true`, for something else. */
export function word(use: string): z.ZodType<string> {
  const kinds = ["string", "number", "boolean"];
  return z.custom<string>((value) => kinds.includes(typeof value), use).transform(String);
}

/** `a, b or c`. */
export function oneOf(values: readonly string[]): string {
  const last = values.at(-1) ?? "";
  return values.length < 2 ? last : `${values.slice(0, -1).join(", ")} or ${last}`;
}

/**
 * Keys with values, and no other keys; `elsewhere` are keys of another form, which may be meant. The message for a key that there is not lists
 * those that there are: zod has no other place for them.
 */
export function object<Shape extends z.ZodRawShape>(
  shape: Shape,
  elsewhere: readonly string[] = [],
): ReturnType<typeof z.strictObject<Shape>> {
  const known = [...Object.keys(shape), ...elsewhere].join(", ");
  return z.strictObject(shape, {
    error: ({ code }) => (code === "unrecognized_keys" ? known : `the keys ${known}`),
  });
}
