/** docktor's own policy: the same function decides here as in production. */
import { CHECK_INTERVAL_MS, POLICY_DEFAULTS, type PolicyDefaults } from "../../policy/defaults.ts";
import { decide } from "../../policy.ts";
import type { PolicySettings } from "../../policy/decision.ts";
import { type Memory, NO_MEMORY } from "../../policy/memory.ts";
import type { MakePolicy } from "./policy.ts";

/** By rates, with the defaults but for what is set here. */
export function docktor(changed: Partial<PolicyDefaults> = {}): MakePolicy {
  const { utilization, catchUpMs, ...rails } = { ...POLICY_DEFAULTS, ...changed };
  return ({ minReplicas, maxReplicas, fallback, sloMs }) => {
    const settings: PolicySettings = {
      ...rails,
      minReplicas,
      maxReplicas,
      fallback,
      policy: { kind: "rate", utilization, sloMs, catchUpMs, perReplica: undefined },
      paused: undefined,
    };
    return {
      name: changed.utilization === undefined ? "docktor" : `docktor, ${utilization}`,
      settings: `target utilization ${utilization}, catch-up ${catchUpMs / 1_000} s, scale-down window ${rails.windowMs / 1_000} s, fallback to ${fallback.replicas} or more after ${fallback.failureThreshold} failures; every ${CHECK_INTERVAL_MS / 1_000} s`,
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
  };
}
