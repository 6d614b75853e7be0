/**
 * KEDA's scaler for NATS JetStream: so many pending and unacknowledged messages for each replica, through an HPA. Its
 * polling interval of 30 s matters only from zero to one; from there on the HPA asks every 15 s, and here there is
 * always one.
 */
import { hpa, type HpaBehavior, tolerable } from "./hpa.ts";
import type { MakePolicy } from "./policy.ts";

/** Scales by lag. */
export function keda(lagThreshold: number, behavior: HpaBehavior): MakePolicy {
  const metric = {
    name: `KEDA, lag ${lagThreshold}`,
    settings: `nats-jetstream, lagThreshold ${lagThreshold}, the same fallback as docktor's`,
  };
  return hpa(metric, behavior, (fallback) => {
    let failures = 0;
    return ({ readings }, current) => {
      if ("unread" in readings) {
        failures += 1;
        if (failures < fallback.failureThreshold) return undefined;
        return Math.max(current, fallback.replicas);
      }
      failures = 0;
      const ratio = readings.backlog / (lagThreshold * current);
      return tolerable(ratio) ? current : Math.ceil(readings.backlog / lagThreshold);
    };
  });
}
