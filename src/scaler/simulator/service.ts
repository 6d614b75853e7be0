/** The service that is simulated. */
import { POLICY_DEFAULTS } from "../policy/defaults.ts";
import type { Fallback } from "../policy/decision.ts";

/** What it is like; times in milliseconds. */
export interface Service {
  readonly minReplicas: number;
  readonly maxReplicas: number;
  /** For policies that know the like. */
  readonly fallback: Fallback;
  /** How long a message may wait. */
  readonly sloMs: number;
  readonly partitions: number;
  /** Different keys, used evenly. Partitions get as many messages as their keys do: by chance, not evenly. */
  readonly keys: number;
  /** Messages per second of one replica that is always busy. */
  readonly perReplica: number;
  /** From the start of a replica until it can own partitions; each takes up to a fifth more or less. */
  readonly startUpMs: number;
  /** How long a partition that changes its owner is not worked on. */
  readonly handOverMs: number;
  /** The same, when the owner before has crashed: until the others know. */
  readonly failOverMs: number;
  /** How old readings are. */
  readonly readingsDelayMs: number;
  /** How long a message that was handled is still counted in the backlog: until its ack or commit. */
  readonly ackMs: number;
  /** How far a measured rate of a replica is off: the deviation, as a part of it. */
  readonly readingsError: number;
}

/** What it is like unless something else is said: one that the workloads' rates fit. */
export const SERVICE: Service = {
  minReplicas: 1,
  maxReplicas: 16,
  fallback: { failureThreshold: 3, replicas: 10 },
  sloMs: POLICY_DEFAULTS.sloMs,
  partitions: 32,
  keys: 2_000,
  perReplica: 40,
  startUpMs: 15_000,
  handOverMs: 1_000,
  failOverMs: 5_000,
  readingsDelayMs: 2_000,
  ackMs: 100,
  readingsError: 0.03,
};
