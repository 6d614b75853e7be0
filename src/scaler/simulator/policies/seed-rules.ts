/**
 * The rules of docktor's predecessor in Go, and those of its example for NATS: any of the first and there are two
 * more, all of the second and there is one less, every 10 s and with nothing to calm it. It crashed on its first
 * decision; here it does not.
 */
import { applyRules, type Rules } from "../../policy/rules.ts";
import { between, countOf, type MakePolicy } from "./policy.ts";

const RULES: Rules = {
  scaleUpWhen: [
    { metric: "queue.backlog", op: ">", value: 500 },
    { metric: "queue.rate_in", op: ">", value: 200 },
  ],
  scaleDownWhen: [
    { metric: "queue.backlog", op: "<=", value: 100 },
    { metric: "queue.rate_in", op: "<", value: 150 },
  ],
  scaleUpBy: 2,
  scaleDownBy: 1,
};

/** The rules. */
export function seedRules(): MakePolicy {
  return ({ minReplicas, maxReplicas }) => ({
    name: "docktor-go rules",
    settings:
      "+2 if backlog > 500 or rate in > 200/s, −1 if backlog ≤ 100 and rate in < 150/s; every 10 s",
    intervalMs: 10_000,
    begin: () => (situation) => {
      const current = countOf(situation);
      const { readings } = situation;
      if ("unread" in readings) return current;
      const verdict = applyRules(RULES, readings);
      return "missing" in verdict
        ? current
        : between(minReplicas, current + verdict.by, maxReplicas);
    },
  });
}
