/** The policies by name. Rivals are set as is best for the simulated service: docs/scaling-policy.md shows the choice. */
import { docktor } from "./docktor.ts";
import { flink } from "./flink.ts";
import { hpaCpu } from "./hpa.ts";
import { keda } from "./keda.ts";
import type { MakePolicy } from "./policy.ts";
import { seedRules } from "./seed-rules.ts";

/** The name of a policy. */
export type PolicyName =
  | "docktor"
  | "keda"
  | "keda-10"
  | "keda-aws"
  | "hpa-cpu"
  | "flink"
  | "docktor-go"
  | "fixed";

/** All of them. */
export const POLICIES: Readonly<Record<PolicyName, MakePolicy>> = {
  docktor: docktor(),
  keda: keda(4, { windowS: 180, scaleDownPct: 10 }),
  "keda-10": keda(10),
  // As AWS advises: as many messages as a replica handles within the SLO.
  "keda-aws": keda(400),
  "hpa-cpu": hpaCpu(35, { windowS: 180 }),
  flink: flink(0.45, 0.1),
  "docktor-go": seedRules(),
  fixed: fixed(),
};

/** As many as there may be, all the time. */
function fixed(): MakePolicy {
  return ({ maxReplicas }) => ({
    name: "fixed",
    settings: `always ${maxReplicas}`,
    intervalMs: 15_000,
    begin: () => () => maxReplicas,
  });
}
