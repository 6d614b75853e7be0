/** Replicas as pods of a Deployment or StatefulSet, for those who have outgrown one machine. */
import { setTimeout as sleep } from "node:timers/promises";
import { DocktorError } from "../../errors.ts";
import { type Capabilities, type Driver, GRACE_MS, type Replica } from "./driver.ts";
import { isRefusedWith, KubernetesClient } from "./kubernetes-client.ts";
import { type ClusterAccess, findCluster } from "./kubernetes-config.ts";
import { isEnding, isReplica, percentOf, type Pod, replicaOf } from "./kubernetes-pods.ts";
import { unlessAborted } from "./patience.ts";

/** Which workload. */
export interface KubernetesDriverOptions {
  readonly kind: "Deployment" | "StatefulSet";
  readonly name: string;
  /** Default: the one of the kubeconfig's context, or of the pod that docktor runs in, else `default`. */
  readonly namespace?: string | undefined;
  /** The cluster. Default: found as `findCluster` says. */
  readonly access?: ClusterAccess;
}

/** The scale subresource. */
interface Scale {
  readonly metadata: object;
  readonly spec: { readonly replicas?: number };
  readonly status?: { readonly selector?: string };
}

/** A ReplicaSet that must do with less takes the pod of the lowest cost first. */
const DELETION_COST = "controller.kubernetes.io/pod-deletion-cost";
const LOWEST_COST = "-2147483648";

/** How the id of a replica begins that has no pod yet. */
const TO_COME = "to-come-";

/** How often a change is tried that others get in the way of; each time it is counted from what they have made of it. */
const TRIES = 10;
/** How often is looked whether a pod is gone. */
const LOOK_MS = 500;

/**
 * Scales by the workload's scale subresource. Of a Deployment's pods, the victim is made the cheapest to delete before there
 * is one replica less; Kubernetes still takes one that is not ready first, if there is any. A StatefulSet always gives up
 * its last pod. A pod may take as long to end as its own `terminationGracePeriodSeconds` says, and no longer than
 * the caller does. The CPU is known where the cluster has a metrics server.
 */
export class KubernetesDriver implements Driver {
  readonly capabilities: Capabilities;
  readonly #client: KubernetesClient;
  readonly #namespace: string;
  readonly #kind: KubernetesDriverOptions["kind"];
  readonly #name: string;
  readonly #removing = new Map<string, Promise<void>>();

  /** Asks nothing of the cluster yet. @throws DocktorError TARGET_UNAVAILABLE when there is none to be found */
  constructor({ kind, name, namespace, access = findCluster() }: KubernetesDriverOptions) {
    this.capabilities = { choosesVictim: kind === "Deployment" };
    this.#client = new KubernetesClient(access);
    this.#namespace = namespace ?? access.namespace ?? "default";
    this.#kind = kind;
    this.#name = name;
  }

  async current(signal: AbortSignal): Promise<readonly Replica[]> {
    const scale = await this.#scale(signal);
    const [pods, cpu] = await Promise.all([this.#pods(scale, signal), this.#cpu(scale, signal)]);
    const present = pods.filter((pod) => !isEnding(pod)).length;
    return [
      ...pods.map((pod) => ({ ...replicaOf(pod), cpuPercent: cpu.get(pod.metadata.name) })),
      ...this.#toCome(desiredOf(scale) - present),
    ];
  }

  async grow(count: number, signal: AbortSignal): Promise<void> {
    if (count < 1) return;
    await this.#change(count, signal);
  }

  async remove(victim: Replica, graceMs: number, signal: AbortSignal): Promise<void> {
    signal.throwIfAborted();
    const removing = this.#removing.get(victim.id) ?? this.#remove(victim, graceMs);
    this.#removing.set(victim.id, removing);
    await unlessAborted(signal, removing);
  }

  async check(signal: AbortSignal): Promise<void> {
    await this.#pods(await this.#scale(signal), signal);
  }

  async close(): Promise<void> {
    // The pods are the cluster's and stay; a connection closes by itself.
  }

  async #remove(victim: Replica, graceMs: number): Promise<void> {
    const { signal } = new AbortController();
    try {
      const scale = await this.#scale(signal);
      const pods = await this.#pods(scale, signal);
      const pod = pods.find((each) => each.metadata.uid === victim.id);
      if (pod === undefined) {
        const present = pods.filter((each) => !isEnding(each)).length;
        const isToCome = victim.id.startsWith(TO_COME) && desiredOf(scale) > present;
        if (isToCome) await this.#change(-1, signal);
        return;
      }
      let left = desiredOf(scale);
      if (!isEnding(pod)) {
        left = await this.#giveUp(pod, signal);
      }
      await this.#untilGone(pod, left, graceMs, signal);
    } finally {
      this.#removing.delete(victim.id);
    }
  }

  /**
   * Those that are wanted and have no pod yet, as when a StatefulSet makes one after the other, or a quota is used up: who
   * did not see them would ask for them again and again.
   */
  #toCome(count: number): Replica[] {
    return Array.from({ length: Math.max(0, count) }, (_, i) => ({
      id: `${TO_COME}${i}`,
      name: `${this.#name} (pod ${i + 1} to come)`,
      memberId: undefined,
      state: "starting",
      cpuPercent: undefined,
    }));
  }

  /** One replica less; of a Deployment, this pod. Returns how many are left. */
  async #giveUp(pod: Pod, signal: AbortSignal): Promise<number> {
    if (!this.capabilities.choosesVictim) return await this.#change(-1, signal);
    await this.#price(pod, LOWEST_COST, signal);
    try {
      return await this.#change(-1, signal);
    } catch (error) {
      // The next time another one may be meant.
      await this.#price(pod, null, signal).catch(() => undefined);
      throw error;
    }
  }

  /** @throws DocktorError TARGET_UNAVAILABLE */
  async #scale(signal: AbortSignal): Promise<Scale> {
    const doing = `tell the scale of ${this.#kind} ${this.#name} in namespace ${this.#namespace}`;
    try {
      return await this.#client.ask({ method: "GET", path: this.#scalePath(), doing }, signal);
    } catch (error) {
      if (!isRefusedWith(error, 404)) throw error;
      throw new DocktorError(
        "TARGET_UNAVAILABLE",
        `there is no ${this.#kind} ${this.#name} in namespace ${this.#namespace}: create it first, or correct target.name and target.namespace (kubectl get ${this.#resource} --all-namespaces)`,
        { cause: error },
      );
    }
  }

  async #pods({ status }: Scale, signal: AbortSignal): Promise<readonly Pod[]> {
    const path = ["api", "v1", "namespaces", this.#namespace, "pods"];
    const query = { labelSelector: status?.selector ?? "" };
    // Without a selector these would be all pods of the namespace.
    if (query.labelSelector === "") return [];
    const doing = `list the pods of ${this.#name}`;
    const list = await this.#client.ask<{ items: readonly Pod[] }>(
      { method: "GET", path, query, doing },
      signal,
    );
    return list.items.filter(isReplica);
  }

  /** By pod, in per cent of one core; empty where the cluster does not measure. */
  async #cpu({ status }: Scale, signal: AbortSignal): Promise<ReadonlyMap<string, number>> {
    const path = ["apis", "metrics.k8s.io", "v1beta1", "namespaces", this.#namespace, "pods"];
    const query = { labelSelector: status?.selector ?? "" };
    try {
      const { items } = await this.#client.ask<{ items: readonly PodMetrics[] }>(
        { method: "GET", path, query, doing: "tell what pods use" },
        signal,
      );
      return new Map(
        items.map(({ metadata, containers }) => {
          const shares = containers.map(({ usage }) => percentOf(usage.cpu) ?? 0);
          return [metadata.name, shares.reduce((sum, share) => sum + share, 0)] as const;
        }),
      );
    } catch {
      signal.throwIfAborted();
      return new Map();
    }
  }

  /** Changes the number of replicas by `by`; returns the new one. Someone else's change in between is kept. */
  async #change(by: number, signal: AbortSignal): Promise<number> {
    for (let tries = 0; tries < TRIES; tries++) {
      const scale = await this.#scale(signal);
      const replicas = Math.max(0, desiredOf(scale) + by);
      // With the version that was read, so that it is refused when somebody else was faster.
      const body = { ...scale, spec: { ...scale.spec, replicas } };
      const doing = `scale ${this.#kind} ${this.#name} to ${replicas}`;
      try {
        await this.#client.ask({ method: "PUT", path: this.#scalePath(), body, doing }, signal);
        return replicas;
      } catch (error) {
        if (!isRefusedWith(error, 409)) throw error;
      }
    }
    throw new DocktorError(
      "TARGET_UNAVAILABLE",
      `${this.#kind} ${this.#name} was changed by others ${TRIES} times while docktor tried to: see what else scales it (kubectl get hpa)`,
    );
  }

  /** Sets a pod's cost of deletion; `null` takes it away. */
  async #price({ metadata }: Pod, cost: string | null, signal: AbortSignal): Promise<void> {
    const body = { metadata: { annotations: { [DELETION_COST]: cost } } };
    const doing = `choose pod ${metadata.name}`;
    const path = this.#podPath(metadata.name);
    await this.#client.ask({ method: "PATCH", path, body, doing }, signal);
  }

  /** Resolves when the victim is gone, or another pod in its place, or when others have wanted more since. */
  async #untilGone(victim: Pod, left: number, graceMs: number, signal: AbortSignal): Promise<void> {
    const startedAt = performance.now();
    const ownMs = (victim.spec?.terminationGracePeriodSeconds ?? 30) * 1_000;
    let hurried = false;
    for (;;) {
      const scale = await this.#scale(signal);
      const pods = await this.#pods(scale, signal);
      const still = pods.find(({ metadata }) => metadata.uid === victim.metadata.uid);
      if (this.capabilities.choosesVictim && still === undefined) return;
      if (pods.length <= left || desiredOf(scale) > left) {
        // The next time another one may be meant.
        if (still !== undefined && this.capabilities.choosesVictim) {
          await this.#price(still, null, signal).catch(() => undefined);
        }
        return;
      }
      const passedMs = performance.now() - startedAt;
      if (passedMs > graceMs && !hurried) {
        hurried = true;
        await Promise.all(pods.filter(isEnding).map((pod) => this.#hurry(pod, signal)));
      }
      if (passedMs > Math.max(graceMs, ownMs) + GRACE_MS) {
        throw new DocktorError(
          "TARGET_UNAVAILABLE",
          `${this.#kind} ${this.#name} has not given up a pod yet: see which one hangs (kubectl get pods -n ${this.#namespace})`,
        );
      }
      await sleep(LOOK_MS);
    }
  }

  /** Has a pod killed that has had its time. Without the permission to, its own grace counts. */
  async #hurry({ metadata: { name, uid } }: Pod, signal: AbortSignal): Promise<void> {
    const body = { gracePeriodSeconds: 1, preconditions: { uid } };
    const path = this.#podPath(name);
    const doing = `kill pod ${name}`;
    await this.#client.ask({ method: "DELETE", path, body, doing }, signal).catch(() => undefined);
  }

  get #resource(): string {
    return this.#kind === "Deployment" ? "deployments" : "statefulsets";
  }

  #scalePath(): readonly string[] {
    const workload = [this.#resource, this.#name];
    return ["apis", "apps", "v1", "namespaces", this.#namespace, ...workload, "scale"];
  }

  #podPath(name: string): readonly string[] {
    return ["api", "v1", "namespaces", this.#namespace, "pods", name];
  }
}

/** What the metrics server tells of a pod. */
interface PodMetrics {
  readonly metadata: { readonly name: string };
  readonly containers: readonly { readonly usage: { readonly cpu: string } }[];
}

function desiredOf({ spec }: Scale): number {
  // The server leaves out a zero.
  return spec.replicas ?? 0;
}
