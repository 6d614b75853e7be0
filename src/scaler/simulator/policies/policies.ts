/** The policies by name, each as it is tuned best for the simulated service: bench/scaling says how that was found. */
import { docktor } from "./docktor.ts";
import { flink } from "./flink.ts";
import { hpaCpu } from "./hpa.ts";
import { keda } from "./keda.ts";
import type { Bounds, Policy } from "./policy.ts";
import { seedRules } from "./seed-rules.ts";

/** What every policy is told of the service. */
export const BOUNDS: Bounds = {
  minReplicas: 1,
  maxReplicas: 16,
  fallback: { failureThreshold: 3, replicas: 10 },
};

/** As many as there may be, all the time. */
function fixed({ maxReplicas }: Bounds): Policy {
  return {
    name: "fixed",
    settings: `always ${maxReplicas}`,
    intervalMs: 15_000,
    begin: () => () => maxReplicas,
  };
}

/** The name of a policy. */
export type PolicyName =
  | "docktor"
  | "docktor-go"
  | "keda-10"
  | "keda"
  | "keda-aws"
  | "hpa-cpu"
  | "flink"
  | "fixed";

/** All of them. */
export const POLICIES: Readonly<Record<PolicyName, Policy>> = {
  docktor: docktor(BOUNDS),
  "docktor-go": seedRules(BOUNDS),
  "keda-10": keda(BOUNDS, 10, { scaleDownPct: 100 }),
  keda: keda(BOUNDS, 100, { scaleDownPct: 10 }),
  "keda-aws": keda(BOUNDS, 400, { scaleDownPct: 100 }),
  "hpa-cpu": hpaCpu(BOUNDS, 50, { scaleDownPct: 100 }),
  flink: flink(BOUNDS, 0.7),
  fixed: fixed(BOUNDS),
};
