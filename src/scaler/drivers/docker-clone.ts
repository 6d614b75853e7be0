/**
 * The settings of one more container of a Compose service, taken from a container that Compose has made. Pure.
 *
 * Everything is taken over, also what docktor knows nothing of, but for what must be a container's own: its number, name,
 * host name, addresses, and the volumes that have no name.
 */
import type { ContainerSource, Endpoint, HostConfig, Mount } from "./docker-types.ts";

/** The labels by which Compose knows its containers. */
export const LABEL = {
  project: "com.docker.compose.project",
  service: "com.docker.compose.service",
  number: "com.docker.compose.container-number",
  oneOff: "com.docker.compose.oneoff",
  configHash: "com.docker.compose.config-hash",
  /** On a container that takes another one's place. */
  replaces: "com.docker.compose.replace",
} as const;

/** A container to be created. */
export interface Clone {
  readonly name: string;
  /** What the engine is told. */
  readonly settings: object;
  /** The networks to join before it is started, beside the one that its settings name. */
  readonly networks: readonly { readonly name: string; readonly endpoint: Endpoint }[];
}

/** The volumes that Docker has named itself, because the user has not. */
const NAMELESS = /^[0-9a-f]{64}$/;

/** The clone with that number, running `image`. */
export function cloneOf(source: ContainerSource, number: number, image: string): Clone {
  const name = nameOf(source, number);
  const { Config, HostConfig, NetworkSettings } = source;
  const { [LABEL.replaces]: _, ...labels } = Config.Labels;
  const own = ownNetworks(HostConfig) ? Object.entries(NetworkSettings.Networks) : [];
  const networks = own.map(([network, endpoint]) => ({
    name: network,
    id: endpoint.NetworkID,
    endpoint: endpointOf(endpoint, source, name),
  }));
  const mode = HostConfig.NetworkMode;
  const first = networks.find((network) => network.name === mode || network.id === mode);
  const { host, volumes } = hostOf(HostConfig);
  return {
    name,
    settings: {
      ...withoutOwn(source),
      Image: image,
      Env: environmentOf(source, number),
      Labels: { ...labels, [LABEL.number]: String(number) },
      ...(volumes && { Volumes: { ...Config.Volumes, ...volumes } }),
      HostConfig: host,
      // Engines before 25 take one network here; the others are joined afterwards.
      ...(first && { NetworkingConfig: { EndpointsConfig: { [first.name]: first.endpoint } } }),
    },
    networks: networks.filter((network) => network !== first),
  };
}

/** The number that Compose, or docktor, gave a container; undefined without one. */
export function numberOf(labels: Readonly<Record<string, string>>): number | undefined {
  const number = Number(labels[LABEL.number]);
  return Number.isInteger(number) && number > 0 ? number : undefined;
}

/** The member's id in a container's environment; undefined without one. */
export function memberIdOf(env: readonly string[] | null | undefined): string | undefined {
  return (
    env?.find((each) => each.startsWith("MEMBER_ID="))?.slice("MEMBER_ID=".length) || undefined
  );
}

/** The host ports that are asked for by number, of which there is only one for all replicas. */
export function fixedPorts({ HostConfig }: ContainerSource): string[] {
  const { NetworkMode, PortBindings } = HostConfig;
  // There the engine leaves them alone.
  if (NetworkMode === "host") return [];
  return Object.values(PortBindings ?? {})
    .flatMap((bindings) => bindings ?? [])
    .map(({ HostPort }) => HostPort ?? "")
    .filter((port) => /^[1-9]\d*$/.test(port));
}

/** As Compose names containers: with dashes, or with underscores for those who asked for that. */
function nameOf({ Name, Config: { Labels } }: ContainerSource, number: number): string {
  const parts = [Labels[LABEL.project], Labels[LABEL.service]];
  const underscored = `/${[...parts, Labels[LABEL.number]].join("_")}`;
  return [...parts, number].join(Name === underscored ? "_" : "-");
}

/** Whether a container in that network mode has a host name, addresses and ports of its own. */
function ownNetworks({ NetworkMode }: HostConfig): boolean {
  return !/^(|host|none|bridge|default|container:.*)$/.test(NetworkMode);
}

function withoutOwn({ Id, Config, HostConfig }: ContainerSource): Record<string, unknown> {
  const { Hostname, Domainname, MacAddress: _, ExposedPorts, ...rest } = Config;
  // What shares another container's network has its host name and ports, and may not ask for any.
  if (HostConfig.NetworkMode.startsWith("container:")) return rest;
  const given = Hostname && Hostname !== Id.slice(0, 12) && HostConfig.UTSMode !== "host";
  return { ...rest, Domainname, ExposedPorts, ...(given && { Hostname }) };
}

/** A fixed member id becomes `<id>-<number>`: two members of the same id would keep each other out. */
function environmentOf(source: ContainerSource, number: number): readonly string[] {
  const { Env, Labels } = source.Config;
  const memberId = memberIdOf(Env);
  if (memberId === undefined) return Env ?? [];
  const suffix = `-${Labels[LABEL.number] ?? ""}`;
  const base = memberId.endsWith(suffix) ? memberId.slice(0, -suffix.length) : memberId;
  const others = (Env ?? []).filter((each) => !each.startsWith("MEMBER_ID="));
  return [...others, `MEMBER_ID=${base}-${number}`];
}

function endpointOf(endpoint: Endpoint, source: ContainerSource, name: string): Endpoint {
  const { Aliases, Links, DriverOpts, GwPriority } = endpoint;
  const mine = source.Name.slice(1);
  const aliases = (Aliases ?? [])
    // Older engines add the container's id.
    .filter((alias) => !(alias.length >= 12 && source.Id.startsWith(alias)))
    .map((alias) => (alias === mine ? name : alias));
  const settings = { Aliases: aliases, Links: Links ?? [], DriverOpts: DriverOpts ?? {} };
  return { ...settings, ...(GwPriority && { GwPriority }) };
}

/** The host's part, and the paths that get a nameless volume of their own. */
function hostOf(settings: HostConfig): {
  host: HostConfig;
  volumes: Record<string, object> | undefined;
} {
  const { Binds, Mounts } = settings;
  // Compose hands these on from the container that it replaces; a clone would share them.
  const shared = (Binds ?? []).filter((bind) => NAMELESS.test(bind.split(":")[0] ?? ""));
  const host = {
    ...settings,
    ...(shared.length > 0 && { Binds: Binds?.filter((bind) => !shared.includes(bind)) ?? [] }),
    ...(Mounts?.some(isNameless) && {
      Mounts: Mounts.map((mount) => (isNameless(mount) ? unnamed(mount) : mount)),
    }),
  };
  if (shared.length === 0) return { host, volumes: undefined };
  return { host, volumes: Object.fromEntries(shared.map((bind) => [bind.split(":")[1], {}])) };
}

function isNameless({ Type, Source }: Mount): boolean {
  return Type === "volume" && Source !== undefined && NAMELESS.test(Source);
}

function unnamed(mount: Mount): Mount {
  const { Source: _, ...rest } = mount;
  return rest;
}
