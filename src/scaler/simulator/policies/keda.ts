/**
 * KEDA's scaler for NATS JetStream, after its source (pkg/scalers/nats_jetstream_scaler.go, pkg/fallback): so many
 * pending and unacknowledged messages for each replica, through an HPA, which asks every 15 s. Its polling interval
 * (30 s), activation threshold and cooldown period (300 s) matter only between no replica and one, and here there is
 * always one.
 */
import { hpa, type HpaBehavior, tolerable } from "./hpa.ts";
import type { MakePolicy } from "./policy.ts";

/** Scales by lag; KEDA's default is 10. */
export function keda(lagThreshold: number, behavior: Partial<HpaBehavior> = {}): MakePolicy {
  const metric = {
    name: `KEDA, lag ${lagThreshold}`,
    settings: `nats-jetstream, lagThreshold ${lagThreshold}, fallback as docktor's (currentReplicasIfHigher)`,
  };
  return hpa(metric, behavior, (fallback) => {
    let failures = 0;
    return ({ readings }, current) => {
      if ("unread" in readings) {
        failures += 1;
        if (failures <= fallback.failureThreshold) return undefined;
        return Math.max(current, fallback.replicas);
      }
      failures = 0;
      const ratio = readings.backlog / (lagThreshold * current);
      return tolerable(ratio) ? current : Math.ceil(readings.backlog / lagThreshold);
    };
  });
}
