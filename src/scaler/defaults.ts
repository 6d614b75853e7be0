/** What a service is scaled by unless its configuration says otherwise, as the simulator has found it: decision 010. */

/** How often it is decided, in milliseconds. */
export const CHECK_INTERVAL_MS = 5_000;

/** The settings of the policy that need no knowledge of the service. */
export const POLICY_DEFAULTS = {
  utilization: 0.8,
  sloMs: 10_000,
  catchUpMs: 30_000,
  windowMs: 180_000,
  cooldown: { upMs: 0, downMs: 30_000 },
  actionsPerHour: 60,
  idleMs: 300_000,
} as const;
