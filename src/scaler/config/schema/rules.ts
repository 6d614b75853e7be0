/** The keys of a service's rules. */
import { z } from "zod";
import { type Condition, OPERATORS } from "../../policy/rules.ts";
import { object, oneOf } from "./fields.ts";
import { QUEUE_METRICS } from "./queue.ts";

/** When to grow, and when to shrink. */
export interface RuleKeys {
  readonly scaleUpWhen: readonly Condition[];
  readonly scaleDownWhen: readonly Condition[];
}

/** What a rule may be about. */
const METRICS = ["cpu.avg_pct", ...QUEUE_METRICS.map((metric) => `queue.${metric}`)];

const SIGNS = Object.keys(OPERATORS) as (keyof typeof OPERATORS)[];

const CONDITION = object({
  metric: z.enum(METRICS, oneOf(METRICS)),
  op: z.enum(SIGNS, `${oneOf(SIGNS.map((sign) => `"${sign}"`))}, in quotes`),
  value: z.number("a number"),
});

const CONDITIONS = z.array(CONDITION, "a list of { metric, op, value }");

/** `rules`. */
export const RULES: z.ZodType<RuleKeys> = object({
  scale_up_when: CONDITIONS.default([]),
  scale_down_when: CONDITIONS.default([]),
}).transform(({ scale_up_when: scaleUpWhen, scale_down_when: scaleDownWhen }) => ({
  scaleUpWhen,
  scaleDownWhen,
}));
