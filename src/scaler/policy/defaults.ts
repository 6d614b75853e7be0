/** What a service is scaled by unless its configuration says otherwise, as found with the simulator: decision 010. */
import type { PolicySettings } from "./decision.ts";
import type { DemandSettings } from "./demand.ts";

/** How often it is decided, in milliseconds. */
export const CHECK_INTERVAL_MS = 5_000;

/** The settings that need no knowledge of the service. */
export interface PolicyDefaults
  extends Omit<DemandSettings, "perReplica">,
    Pick<
      PolicySettings,
      "metricsWindowMs" | "windowMs" | "cooldown" | "actionsPerHour" | "idleMs"
    > {}

/** Their defaults. */
export const POLICY_DEFAULTS: PolicyDefaults = {
  utilization: 0.8,
  sloMs: 10_000,
  catchUpMs: 10_000,
  metricsWindowMs: 10_000,
  windowMs: 180_000,
  cooldown: { upMs: 0, downMs: 30_000 },
  actionsPerHour: 60,
  idleMs: 300_000,
};
