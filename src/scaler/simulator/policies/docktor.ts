/** docktor's own policy: the same function decides here as in production. */
import { CHECK_INTERVAL_MS, POLICY_DEFAULTS } from "../../defaults.ts";
import { decide, type Memory, NO_MEMORY, type PolicySettings } from "../../policy.ts";
import type { Bounds, Policy } from "./policy.ts";

/** By rates, with the defaults but for what is set here. */
export function docktor(bounds: Bounds, changed: Partial<PolicySettings> = {}): Policy {
  const { utilization, sloMs, catchUpMs, ...rails } = POLICY_DEFAULTS;
  const settings: PolicySettings = {
    ...bounds,
    ...rails,
    policy: { kind: "rate", utilization, sloMs, catchUpMs, perReplica: undefined },
    paused: undefined,
    ...changed,
  };
  return {
    name: "docktor",
    settings: `rate, target utilization ${utilization}, catch-up in ${catchUpMs / 1_000} s, scale-down window ${rails.windowMs / 1_000} s, every ${CHECK_INTERVAL_MS / 1_000} s`,
    intervalMs: CHECK_INTERVAL_MS,
    begin() {
      let memory: Memory = NO_MEMORY;
      return (situation) => {
        const decided = decide(settings, memory, situation);
        memory = decided.memory;
        return decided.decision.target;
      };
    },
  };
}
