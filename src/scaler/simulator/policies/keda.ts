/**
 * KEDA's scaler for NATS JetStream: so many pending and unacknowledged messages for each replica, through an HPA. Its
 * polling interval of 30 s matters only from zero to one, and from there on the HPA asks every 15 s; as there is always
 * one here, it never does.
 */
import { hpa, type HpaBehavior, tolerable } from "./hpa.ts";
import type { Bounds, Policy } from "./policy.ts";

/** Scales by lag. */
export function keda(bounds: Bounds, lagThreshold: number, behavior: HpaBehavior): Policy {
  const { fallback } = bounds;
  const settings = `nats-jetstream, lagThreshold ${lagThreshold}, fallback to ${fallback.replicas} or more after ${fallback.failureThreshold} failures`;
  return hpa(bounds, `KEDA, lag ${lagThreshold}`, settings, behavior, () => {
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
