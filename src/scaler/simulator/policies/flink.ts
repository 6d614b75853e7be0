/**
 * The autoscaler of Flink's Kubernetes operator, after its source (JobVertexScaler, ScalingMetricEvaluator), which
 * follows DS2: from the true rate of a replica to the number that keeps up, and that works off the backlog within the
 * catch-up time. It acts when the load leaves the band around its target, and goes down slowly.
 *
 * Its own defaults are for jobs that have to restart to be rescaled (a window of 15 minutes, a catch-up time of 30, and
 * a term for what comes in during a restart). What is simulated is its algorithm without restarts and with windows as
 * short as docktor's. Numbers between which shares of partitions do not get smaller are skipped, about as in its mode
 * MAXIMIZE_UTILISATION; by default it would go up to a divisor of the partitions.
 */
import { replicasFor } from "../../policy/shares.ts";
import { between, countOf, type MakePolicy } from "./policy.ts";

const INTERVAL_MS = 15_000;
const CATCH_UP_S = 60;
/** After an action, nothing is done for so long. */
const STABILIZATION_MS = 60_000;
const SCALE_DOWN_MS = 300_000;
const MOST_DOWN = 0.6;

/** Scales by true rates; within the band around the target nothing is done. */
export function flink(utilization: number, band: number): MakePolicy {
  const [least, most] = [Math.max(0.1, utilization - band), Math.min(1, utilization + band)];
  return ({ minReplicas, maxReplicas }) => ({
    name: `Flink/DS2, ${utilization} ± ${band}`,
    settings: `target utilization ${utilization} ± ${band}, window 60 s, catch-up ${CATCH_UP_S} s, stabilization ${STABILIZATION_MS / 1_000} s, scale-down interval ${SCALE_DOWN_MS / 1_000} s; every ${INTERVAL_MS / 1_000} s`,
    intervalMs: INTERVAL_MS,
    begin() {
      let actedAt = -Infinity;
      let wanted: { at: number; replicas: number }[] = [];
      return (situation) => {
        const { now, readings } = situation;
        const current = countOf(situation);
        if ("unread" in readings || readings.perReplica === undefined) return current;
        const { perReplica, partitions, backlog, rateIn } = readings;
        const needAt = (busy: number): number =>
          (rateIn.long / busy + backlog / CATCH_UP_S) / perReplica;
        const need = needAt(utilization);
        const whole =
          partitions === undefined ? Math.ceil(need) : replicasFor(need, partitions.length);
        const aim = between(minReplicas, whole, maxReplicas);
        wanted = wanted.filter(({ at }) => at > now - SCALE_DOWN_MS);
        wanted.push({ at: now, replicas: aim });
        if (now - actedAt < STABILIZATION_MS) return current;
        const lately = Math.max(...wanted.map(({ replicas }) => replicas));
        const up = aim > current && current < needAt(most);
        const down = lately < current && current > needAt(least);
        if (!up && !down) return current;
        actedAt = now;
        return up ? aim : Math.max(lately, Math.ceil(current * (1 - MOST_DOWN)));
      };
    },
  });
}
