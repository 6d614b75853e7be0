/** Services other than the one that policies are set for. */
import type { PolicyName } from "../../src/scaler/simulator/policies/policies.ts";
import type { Service } from "../../src/scaler/simulator/service.ts";

/** What is different, by what it is called. */
export const VARIANTS: Readonly<Record<string, Partial<Service>>> = {
  "acks or commits after 50 ms": { ackMs: 50 },
  "acks or commits after 200 ms": { ackMs: 200 },
  "128 partitions": { partitions: 128 },
  "12 partitions, up to 12 replicas of 55 msg/s": {
    partitions: 12,
    maxReplicas: 12,
    perReplica: 55,
  },
  "hand-overs that take 5 s": { handOverMs: 5_000 },
  "readings that are 5 s old": { readingsDelayMs: 5_000 },
  "an error of 10 % in replicas' rates": { readingsError: 0.1 },
};

/** Who is tried on them. */
export const TRIED: readonly PolicyName[] = ["docktor", "keda", "hpa-cpu", "flink", "fixed"];
