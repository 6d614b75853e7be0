/** What the scaler needs of the platform on which a service's replicas run. */

/** One running, or failing, copy of a service. */
export interface Replica {
  /** The driver's name for it, which stays the same over its life: a container's id, a pod's name. */
  readonly id: string;
  /** For people: `consumer-3`. */
  readonly name: string;
  /** The group's member that runs in it, where the driver knows (`MEMBER_ID` in its environment); else undefined. */
  readonly memberId: string | undefined;
  /** How the id of its member begins if that was given none, where the driver knows. */
  readonly unnamedMember?: string | undefined;
  /**
   * `running`: its process is up. `starting`: on its way. `stopping`: asked to stop. `failed`: it keeps ending by
   * itself, or cannot start at all.
   */
  readonly state: "running" | "starting" | "stopping" | "failed";
  /** Why it is failed, for people. */
  readonly why?: string;
  /** Share of one core that it used since the last look, in per cent; undefined where the driver cannot tell (yet). */
  readonly cpuPercent: number | undefined;
}

/** What a platform can do. */
export interface Capabilities {
  /** Whether the caller may say which replica goes; Swarm and a StatefulSet choose by themselves. */
  readonly choosesVictim: boolean;
}

/** The replicas of one service. */
export interface Driver {
  readonly capabilities: Capabilities;

  /**
   * All replicas of this service, whoever started them. One that was stopped on purpose is none.
   *
   * @throws DocktorError TARGET_UNAVAILABLE; the signal's reason when it aborts first
   */
  current(signal: AbortSignal): Promise<readonly Replica[]>;

  /**
   * Starts `count` more; resolves once they are on their way, not when they are ready. Starts those it can, and
   * then throws for the rest.
   *
   * @throws DocktorError TARGET_UNAVAILABLE; the signal's reason when it aborts first
   */
  grow(count: number, signal: AbortSignal): Promise<void>;

  /**
   * Stops one: asks it to end, and kills it after `graceMs` if it has not; resolves once it is gone. One that is gone
   * already is left at that, so that the same order given twice stops one replica. Without `choosesVictim` the platform
   * may take another one. When the signal aborts nobody waits any longer, but the stop goes on.
   *
   * @throws DocktorError TARGET_UNAVAILABLE; the signal's reason when it aborts first
   */
  remove(victim: Replica, graceMs: number, signal: AbortSignal): Promise<void>;

  /**
   * Checks before the first use that everything is there: the engine answers, the service exists, its image too.
   *
   * @throws DocktorError TARGET_UNAVAILABLE that says what to do; the signal's reason when it aborts first
   */
  check(signal: AbortSignal): Promise<void>;

  /**
   * Lets go of what it holds; may be called again. The process driver stops what it started, gently: its replicas live
   * as long as it does. Those of the other drivers stay.
   */
  close(): Promise<void>;
}

/** How long a replica may take to end when nobody says otherwise, in milliseconds. */
export const GRACE_MS = 30_000;
