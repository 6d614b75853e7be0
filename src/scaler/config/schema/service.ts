/** The keys of one service. */
import { z } from "zod";
import type { PolicySettings } from "../../policy/decision.ts";
import { CHECK_INTERVAL_MS, POLICY_DEFAULTS } from "../../policy/defaults.ts";
import type { ServiceConfig } from "../config.ts";
import { decimal, duration, object, oneOf, pattern, replicas, whole } from "./fields.ts";
import { QUEUE } from "./queue.ts";
import { type RuleKeys, RULES } from "./rules.ts";
import { DEFAULT_TARGET, TARGET, type Target } from "./target.ts";

/** A service whose target is not completed yet. */
export type ServiceDraft = Omit<ServiceConfig, "target"> & { readonly target: Target };

/** What is so unless it is set, where other files have to know it. */
export const DEFAULTS = { minReplicas: 1, maxReplicas: 10, scaleUpBy: 2, scaleDownBy: 1 } as const;

/** How the policies are told apart. */
const POLICIES = ["rate", "rules"] as const;

/** What docktor does of that which KEDA would when readings fail. */
const BEHAVIORS = ["currentReplicasIfHigher", "currentReplicas"] as const;

const HOUR_MS = 3_600_000;

/** What somebody may call a service: it becomes part of keys and of containers' names. */
export const NAME: z.ZodType<string> = pattern(
  'a name of letters, digits, "-", "_" and "."',
  /^[A-Za-z0-9_-]+(\.[A-Za-z0-9_-]+)*$/,
);

/** How often a service is looked at, and over how long. */
export const CHECK_INTERVAL: z.ZodType<number> = duration(100, HOUR_MS);
export const METRICS_WINDOW: z.ZodType<number> = duration(1_000, HOUR_MS);

/** How many replicas come or go at a time. */
export const STEP: z.ZodType<number> = replicas(1);

const { cooldown } = POLICY_DEFAULTS;

const COOLDOWN = object({
  up: duration().default(cooldown.upMs),
  down: duration().default(cooldown.downMs),
  idle: duration().default(POLICY_DEFAULTS.idleMs),
});

const FALLBACK = object({
  failure_threshold: whole(1, 10_000).optional(),
  failureThreshold: whole(1, 10_000).optional(),
  replicas: replicas(0).optional(),
  behavior: z
    .enum(BEHAVIORS, `${oneOf(BEHAVIORS)}, as docktor never shrinks on a bad reading`)
    .default("currentReplicasIfHigher"),
});

const PAUSES = ["in", "out"] as const;

const KEYS = object({
  name: NAME,
  min_replicas: replicas(0).default(DEFAULTS.minReplicas),
  max_replicas: replicas(1).default(DEFAULTS.maxReplicas),
  metrics_window: METRICS_WINDOW.default(POLICY_DEFAULTS.metricsWindowMs),
  check_interval: CHECK_INTERVAL.default(CHECK_INTERVAL_MS),
  policy: z.enum(POLICIES, oneOf(POLICIES)).optional(),
  slo: duration(1).default(POLICY_DEFAULTS.sloMs),
  catch_up: duration(1).default(POLICY_DEFAULTS.catchUpMs),
  target_utilization: decimal(0.01, 1).default(POLICY_DEFAULTS.utilization),
  replica_rate: decimal(0.001, 1_000_000_000).optional(),
  rules: RULES.optional(),
  scale_up_by: STEP.default(DEFAULTS.scaleUpBy),
  scale_down_by: STEP.default(DEFAULTS.scaleDownBy),
  scale_down_window: duration().default(POLICY_DEFAULTS.windowMs),
  cooldown: COOLDOWN.prefault({}),
  actions_per_hour: whole(1, 36_000).default(POLICY_DEFAULTS.actionsPerHour),
  fallback: FALLBACK.optional(),
  paused: z.union([z.boolean(), z.enum(PAUSES)], "true, false, in or out").default(false),
  dry_run: z.boolean("true or false").default(false),
  drain_timeout: duration().default(30_000),
  queue: QUEUE.optional(),
  target: TARGET.default(() => DEFAULT_TARGET),
});

type Keys = z.output<typeof KEYS>;

/** One of `services`. */
export const SERVICE: z.ZodType<ServiceDraft> = KEYS.transform((keys) => ({
  name: keys.name,
  minReplicas: keys.min_replicas,
  maxReplicas: keys.max_replicas,
  metricsWindowMs: keys.metrics_window,
  checkIntervalMs: keys.check_interval,
  policy: policyOf(keys),
  windowMs: keys.scale_down_window,
  cooldown: { upMs: keys.cooldown.up, downMs: keys.cooldown.down },
  idleMs: keys.cooldown.idle,
  actionsPerHour: keys.actions_per_hour,
  fallback: fallbackOf(keys),
  paused: pausedOf(keys.paused),
  dryRun: keys.dry_run,
  drainTimeoutMs: keys.drain_timeout,
  queue: keys.queue,
  target: keys.target,
}));

/** Rules, with how many replicas they add and take away. */
export function rulesPolicy(
  rules: RuleKeys,
  scaleUpBy: number,
  scaleDownBy: number,
): PolicySettings["policy"] {
  return { kind: "rules", rules: { ...rules, scaleUpBy, scaleDownBy } };
}

function policyOf(keys: Keys): PolicySettings["policy"] {
  const { rules, policy = rules === undefined ? "rate" : "rules" } = keys;
  // Without rules, a policy of rules is a finding, and nobody gets this.
  if (policy === "rules" && rules !== undefined) {
    return rulesPolicy(rules, keys.scale_up_by, keys.scale_down_by);
  }
  return {
    kind: "rate",
    utilization: keys.target_utilization,
    sloMs: keys.slo,
    catchUpMs: keys.catch_up,
    perReplica: keys.replica_rate,
  };
}

function fallbackOf({ fallback }: Keys): PolicySettings["fallback"] {
  if (fallback === undefined) return undefined;
  const {
    failure_threshold: ours,
    failureThreshold: kedas,
    replicas: more = 0,
    behavior,
  } = fallback;
  // To stay with those there are is to ask for none.
  const wanted = behavior === "currentReplicas" ? 0 : more;
  return { failureThreshold: ours ?? kedas ?? 3, replicas: wanted, behavior };
}

function pausedOf(paused: Keys["paused"]): PolicySettings["paused"] {
  return typeof paused === "string" ? paused : paused ? "all" : undefined;
}
