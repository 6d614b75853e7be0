/** Scaling by thresholds: up when any condition holds, down when all of them do. */
import type { Readings } from "./readings.ts";

/** A comparison that a condition may make. */
export type Operator = ">" | ">=" | "<" | "<=" | "==" | "!=";

/** What the comparisons mean. */
export const OPERATORS: Readonly<Record<Operator, (left: number, right: number) => boolean>> = {
  ">": (left, right) => left > right,
  ">=": (left, right) => left >= right,
  "<": (left, right) => left < right,
  "<=": (left, right) => left <= right,
  "==": (left, right) => left === right,
  "!=": (left, right) => left !== right,
};

/** One condition. */
export interface Condition {
  readonly metric: string;
  readonly op: Operator;
  readonly value: number;
}

/** The rules of a service. */
export interface Rules {
  readonly scaleUpWhen: readonly Condition[];
  readonly scaleDownWhen: readonly Condition[];
  readonly scaleUpBy: number;
  readonly scaleDownBy: number;
}

/** What the rules say, and by which conditions. */
export type Verdict =
  | { readonly by: number; readonly matched: readonly Condition[] }
  /** No condition for more holds, and a metric is not there: that is no zero. */
  | { readonly missing: string };

/** Applies the rules: `by` is positive to grow, negative to shrink, 0 to stay. */
export function applyRules(rules: Rules, { metrics }: Readings): Verdict {
  const { scaleUpWhen, scaleDownWhen, scaleUpBy, scaleDownBy } = rules;
  const holds = ({ metric, op, value }: Condition): boolean =>
    OPERATORS[op](metrics[metric] ?? Number.NaN, value);
  const up = scaleUpWhen.filter(holds);
  if (up.length > 0) return { by: scaleUpBy, matched: up };
  const missing = [...scaleUpWhen, ...scaleDownWhen].find(
    ({ metric }) => !Number.isFinite(metrics[metric]),
  );
  if (missing !== undefined) return { missing: missing.metric };
  const down = scaleDownWhen.length > 0 && scaleDownWhen.every(holds);
  return down ? { by: -scaleDownBy, matched: scaleDownWhen } : { by: 0, matched: [] };
}

/** As a person would write it. */
export function inWords({ metric, op, value }: Condition): string {
  return `${metric} ${op} ${value}`;
}
