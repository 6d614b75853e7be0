/**
 * Kubernetes' HorizontalPodAutoscaler, after its source (pkg/controller/podautoscaler: horizontal.go and
 * replica_calculator.go) and its documentation: looks every 15 s, does nothing within 10 % of the target, at most
 * doubles or adds 4 in 15 s, and goes down to no less than was recommended at any time in the stabilization window,
 * and no faster than its policy for that.
 */
import type { Situation } from "../../policy/decision.ts";
import { between, countOf, type MakePolicy } from "./policy.ts";

/** What users tune beside the metric: `behavior.scaleDown`. */
export interface HpaBehavior {
  /** The stabilization window, in seconds. */
  readonly windowS: number;
  /** The most pods to take away in a minute, in per cent; with 100 there is no limit. */
  readonly scaleDownPct: number;
}

/** As it comes. */
const HPA_DEFAULTS: HpaBehavior = { windowS: 300, scaleDownPct: 100 };

/** What a metric recommends; undefined where there is no metric. */
type Recommend = (situation: Situation, current: number) => number | undefined;

interface Counted {
  readonly at: number;
  readonly replicas: number;
}

const SYNC_MS = 15_000;
const TOLERANCE = 0.1;
/** The period of the policy that users set for going down. */
const PERIOD_MS = 60_000;

/** Runs what a metric recommends through the rest of the algorithm. */
export function hpa(
  metric: { readonly name: string; readonly settings: string },
  behavior: Partial<HpaBehavior>,
  begin: (fallback: Parameters<MakePolicy>[0]["fallback"]) => Recommend,
): MakePolicy {
  const { windowS, scaleDownPct } = { ...HPA_DEFAULTS, ...behavior };
  const name = [
    metric.name,
    ...(windowS === HPA_DEFAULTS.windowS ? [] : [`window ${windowS} s`]),
    ...(scaleDownPct === 100 ? [] : [`${scaleDownPct} %/min down`]),
  ].join(", ");
  const gently = scaleDownPct === 100 ? "" : `, at most ${scaleDownPct} % down in a minute`;
  const common = `HPA every ${SYNC_MS / 1_000} s, tolerance 10 %, stabilization window ${windowS} s`;
  return ({ minReplicas, maxReplicas, fallback }) => ({
    name,
    settings: `${metric.settings}; ${common}${gently}`,
    intervalMs: SYNC_MS,
    begin() {
      const recommend = begin(fallback);
      let recommended: Counted[] = [];
      let removed: Counted[] = [];
      return (situation) => {
        const { now } = situation;
        const current = countOf(situation);
        const wanted = recommend(situation, current);
        if (wanted === undefined) return current;
        const replicas = between(minReplicas, wanted, maxReplicas);
        recommended = recommended.filter(({ at }) => at > now - windowS * 1_000);
        // It has just begun to watch: what there is counts as recommended.
        if (recommended.length === 0) recommended.push({ at: now, replicas: current });
        recommended.push({ at: now, replicas });
        if (replicas > current) return Math.min(replicas, Math.max(current + 4, 2 * current));
        const most = Math.max(...recommended.map((each) => each.replicas));
        removed = removed.filter(({ at }) => at > now - PERIOD_MS);
        const before = removed.reduce((sum, each) => sum + each.replicas, current);
        const least = Math.floor(before * (1 - scaleDownPct / 100));
        const target = Math.min(current, Math.max(most, least));
        if (target < current) removed.push({ at: now, replicas: current - target });
        return target;
      };
    },
  });
}

/** Whether a ratio to the target is near enough to 1 to leave things as they are. */
export function tolerable(ratio: number): boolean {
  return Math.abs(1 - ratio) <= TOLERANCE;
}

/** By the processor time of its pods, in per cent of what they requested. Here a busy replica uses all of that. */
export function hpaCpu(targetPct: number, behavior: Partial<HpaBehavior> = {}): MakePolicy {
  const metric = { name: `HPA, CPU ${targetPct} %`, settings: `CPU target ${targetPct} %` };
  return hpa(metric, behavior, () => ({ readings, replicas }, current) => {
    if ("unread" in readings) return undefined;
    const used = readings.metrics["cpu.avg_pct"];
    if (used === undefined) return undefined;
    const ratio = used / targetPct;
    if (replicas.starting === 0 || ratio <= 1) {
      return tolerable(ratio) ? current : Math.ceil(ratio * replicas.ready);
    }
    // Going up, pods that are not ready yet count as using nothing.
    const all = (ratio * replicas.ready) / current;
    return all <= 1 || tolerable(all) ? current : Math.ceil(all * current);
  });
}
