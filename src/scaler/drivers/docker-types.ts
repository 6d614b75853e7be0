/** What the drivers read of a Docker engine's answers; the rest is passed on as it is. */

/** A container in a list. */
export interface ListedContainer {
  readonly Id: string;
  /** Each with a slash before it. */
  readonly Names: readonly string[];
  readonly Labels: Readonly<Record<string, string>>;
  /** `created`, `running`, `paused`, `restarting`, `removing`, `exited` or `dead`. */
  readonly State: string;
  /** Seconds since 1970. */
  readonly Created: number;
}

/** A container with all its settings. */
export interface InspectedContainer extends ContainerSource {
  readonly State: {
    readonly Status: string;
    readonly ExitCode: number;
    readonly OOMKilled: boolean;
    /** Why it could not be started. */
    readonly Error: string;
    /** When its newest life began and ended, in ISO 8601. */
    readonly StartedAt: string;
    readonly FinishedAt: string;
  };
}

/** What a container can be cloned from. */
export interface ContainerSource {
  readonly Id: string;
  /** With a slash before it. */
  readonly Name: string;
  /** The image's id. */
  readonly Image: string;
  readonly Config: ContainerConfig;
  readonly HostConfig: HostConfig;
  readonly NetworkSettings: { readonly Networks: Readonly<Record<string, Endpoint>> };
}

/** What runs in a container. */
interface ContainerConfig {
  /** As the user named it. */
  readonly Image: string;
  readonly Hostname?: string;
  readonly Env?: readonly string[] | null;
  readonly Labels: Readonly<Record<string, string>>;
  readonly Volumes?: Readonly<Record<string, object>> | null;
  readonly [setting: string]: unknown;
}

/** What a container may do and see of its host. */
export interface HostConfig {
  /** A network's name or id, or `host`, `none`, `bridge`, `default`, `container:<id>`. */
  readonly NetworkMode: string;
  readonly UTSMode?: string;
  readonly Binds?: readonly string[] | null;
  readonly Mounts?: readonly Mount[] | null;
  readonly PortBindings?: Readonly<Record<string, readonly PortBinding[] | null>> | null;
  readonly [setting: string]: unknown;
}

/** A volume or a folder in a container. */
export interface Mount {
  readonly Type: string;
  readonly Source?: string;
  readonly Target: string;
  readonly [setting: string]: unknown;
}

/** A port of the host. */
interface PortBinding {
  readonly HostPort?: string;
}

/** A container in a network. */
export interface Endpoint {
  readonly NetworkID?: string;
  readonly Aliases?: readonly string[] | null;
  readonly Links?: readonly string[] | null;
  readonly DriverOpts?: Readonly<Record<string, string>> | null;
  /** Which network leads outside; since engine 28. */
  readonly GwPriority?: number;
}

/** A Swarm service. */
export interface SwarmService {
  readonly ID: string;
  readonly Version: { readonly Index: number };
  readonly Spec: SwarmSpec;
}

/** What a Swarm service is to be. */
export interface SwarmSpec {
  readonly Name: string;
  readonly Mode?: { readonly Replicated?: { readonly Replicas?: number } };
  readonly [setting: string]: unknown;
}

/** One run of a replica of a Swarm service. */
export interface SwarmTask {
  readonly ID: string;
  readonly CreatedAt: string;
  /** Which replica it is one run of, from 1. */
  readonly Slot?: number;
  readonly NodeID?: string;
  /** What Swarm wants it to be. */
  readonly DesiredState: string;
  readonly Status: {
    readonly State: string;
    readonly Err?: string;
    readonly ContainerStatus?: { readonly ContainerID?: string; readonly ExitCode?: number };
  };
  readonly Spec?: { readonly ContainerSpec?: { readonly Env?: readonly string[] | null } };
}
