/** How to reach a cluster: from inside, as the pod's service account, or as a kubeconfig's current context says. */
import { existsSync, readFileSync } from "node:fs";
import { readFile } from "node:fs/promises";
import { homedir } from "node:os";
import { delimiter, dirname, join, resolve } from "node:path";
import { parse } from "yaml";
import { DocktorError, messageOf } from "../../errors.ts";

/** Where a pod finds its service account. */
const ACCOUNT_FOLDER = "/var/run/secrets/kubernetes.io/serviceaccount";

/** Something that is given as it is, or stands in a file, which may change at any time. */
export type Material = { readonly text: string } | { readonly file: string };

/** A cluster, and as whom to come. */
export interface ClusterAccess {
  /** `https://10.0.0.1:443`; what follows the port begins every path. */
  readonly server: string;
  /** Where to work unless it is said where. */
  readonly namespace: string | undefined;
  /** Who vouches for the server. Default: whom the system trusts. */
  readonly ca?: Material | undefined;
  readonly cert?: Material | undefined;
  readonly key?: Material | undefined;
  readonly token?: Material | undefined;
  /** Whether the server may be anyone. */
  readonly insecure?: boolean | undefined;
  /** The name that the server's certificate must have, where that is not its address. */
  readonly serverName?: string | undefined;
}

/** The parts of a kubeconfig that count here. */
export interface Kubeconfig {
  readonly "current-context"?: string;
  readonly contexts?: readonly Named<"context", Context>[];
  readonly clusters?: readonly Named<"cluster", Cluster>[];
  readonly users?: readonly Named<"user", User>[];
}

type Named<Kind extends string, Value> = { readonly name: string } & {
  readonly [kind in Kind]?: Value;
};
type Context = { readonly cluster?: string; readonly user?: string; readonly namespace?: string };
type Cluster = {
  readonly server?: string;
  readonly "certificate-authority"?: string;
  readonly "certificate-authority-data"?: string;
  readonly "insecure-skip-tls-verify"?: boolean;
  readonly "tls-server-name"?: string;
};
type User = {
  readonly token?: string;
  readonly tokenFile?: string;
  readonly "client-certificate"?: string;
  readonly "client-certificate-data"?: string;
  readonly "client-key"?: string;
  readonly "client-key-data"?: string;
  readonly username?: string;
  readonly exec?: { readonly command?: string };
  readonly "auth-provider"?: { readonly name?: string };
};

/** A kubeconfig and where it stood: paths in it are relative to that. */
export interface KubeconfigFile {
  readonly file: string;
  readonly content: Kubeconfig;
}

/**
 * The cluster to work on: `$KUBECONFIG` if it is set, else the cluster that this process runs in, else `~/.kube/config`.
 *
 * @throws DocktorError TARGET_UNAVAILABLE when there is none, or its way of logging in is none of ours
 */
export function findCluster(
  env: Readonly<Record<string, string | undefined>> = process.env,
): ClusterAccess {
  const named = (env["KUBECONFIG"] ?? "").split(delimiter).filter((file) => existsSync(file));
  if (named.length > 0) return accessBy(named.map(readKubeconfig));
  const inside = accessFromInside(env);
  if (inside !== undefined) return inside;
  const usual = join(env["HOME"] ?? homedir(), ".kube", "config");
  if (existsSync(usual)) return accessBy([readKubeconfig(usual)]);
  throw new DocktorError(
    "TARGET_UNAVAILABLE",
    `there is no cluster to work on: this is no pod, and there is no kubeconfig at ${env["KUBECONFIG"] || usual}; set KUBECONFIG, or run docktor in the cluster`,
  );
}

function accessFromInside(
  env: Readonly<Record<string, string | undefined>>,
): ClusterAccess | undefined {
  const [host, port] = [env["KUBERNETES_SERVICE_HOST"], env["KUBERNETES_SERVICE_PORT"] ?? "443"];
  const token = join(ACCOUNT_FOLDER, "token");
  if (!host || !existsSync(token)) return undefined;
  const namespace = join(ACCOUNT_FOLDER, "namespace");
  return {
    server: `https://${host.includes(":") ? `[${host}]` : host}:${port}`,
    namespace: existsSync(namespace) ? readFileSync(namespace, "utf8").trim() : undefined,
    // Kubernetes replaces both in time: they are read again for each request.
    ca: { file: join(ACCOUNT_FOLDER, "ca.crt") },
    token: { file: token },
  };
}

function readKubeconfig(file: string): KubeconfigFile {
  try {
    const content: unknown = parse(readFileSync(file, "utf8"));
    if (typeof content === "object" && content !== null) return { file, content };
    throw new Error("it holds no settings");
  } catch (error) {
    throw new DocktorError(
      "TARGET_UNAVAILABLE",
      `the kubeconfig ${file} cannot be read: ${messageOf(error)}; correct it, or point KUBECONFIG to another`,
      { cause: error },
    );
  }
}

/**
 * What the current context says. Of several files, as kubectl does, the first that has an entry of a name counts.
 *
 * @throws DocktorError TARGET_UNAVAILABLE
 */
export function accessBy(files: readonly KubeconfigFile[]): ClusterAccess {
  const names = files.map(({ file }) => file).join(", ");
  const current = files.map(({ content }) => content["current-context"]).find(Boolean);
  const refuse = (why: string): DocktorError =>
    new DocktorError("TARGET_UNAVAILABLE", `the kubeconfig ${names} cannot be used: ${why}`);
  if (current === undefined) {
    throw refuse("it has no current context; choose one (kubectl config use-context NAME)");
  }
  const context = entry(files, "contexts", current)?.value.context;
  const cluster = entry(files, "clusters", context?.cluster);
  const user = entry(files, "users", context?.user);
  const who = `user ${context?.user ?? "without a name"}`;
  const server = cluster?.value.cluster?.server;
  if (context === undefined || cluster === undefined || server === undefined) {
    throw refuse(`its current context ${current} names no cluster with a server; correct it`);
  }
  const { exec, username, "auth-provider": provider, ...login } = user?.value.user ?? {};
  const foreign = exec
    ? `the program ${exec.command ?? "of its exec entry"}`
    : provider && `the auth provider ${provider.name ?? ""}`;
  if (foreign !== undefined) {
    throw refuse(
      `${who} logs in through ${foreign}, which docktor does not run; use a context with a service account's token (kubectl create token), or run docktor in the cluster`,
    );
  }
  if (username !== undefined) {
    throw refuse(
      `${who} logs in by a password, which clusters have not taken since 1.19; use a token`,
    );
  }
  const of = cluster.value.cluster ?? {};
  const from = (file: string | undefined, at: KubeconfigFile | undefined): Material | undefined =>
    file === undefined ? undefined : { file: resolve(dirname(at?.file ?? ""), file) };
  return {
    server: server.replace(/\/+$/, ""),
    namespace: context.namespace,
    ca: decoded(of["certificate-authority-data"]) ?? from(of["certificate-authority"], cluster.at),
    cert: decoded(login["client-certificate-data"]) ?? from(login["client-certificate"], user?.at),
    key: decoded(login["client-key-data"]) ?? from(login["client-key"], user?.at),
    token:
      from(login.tokenFile, user?.at) ??
      (login.token === undefined ? undefined : { text: login.token }),
    insecure: of["insecure-skip-tls-verify"],
    serverName: of["tls-server-name"],
  };
}

/** What the material says now. */
export async function readMaterial(material: Material | undefined): Promise<string | undefined> {
  if (material === undefined) return undefined;
  if ("text" in material) return material.text;
  return await readFile(material.file, "utf8");
}

function entry<Kind extends "contexts" | "clusters" | "users">(
  files: readonly KubeconfigFile[],
  kind: Kind,
  name: string | undefined,
): { value: NonNullable<Kubeconfig[Kind]>[number]; at: KubeconfigFile } | undefined {
  for (const at of files) {
    const list: readonly NonNullable<Kubeconfig[Kind]>[number][] = at.content[kind] ?? [];
    const value = list.find((each) => each.name === name);
    if (value !== undefined) return { value, at };
  }
  return undefined;
}

function decoded(data: string | undefined): Material | undefined {
  return data === undefined ? undefined : { text: Buffer.from(data, "base64").toString("utf8") };
}
