/** The Kubernetes driver against an HTTP server that answers like the API server: see `test/support/kubernetes.ts`. */
import { describe, expect, test } from "vitest";
import type { Replica } from "../../src/scaler/drivers/driver.ts";
import { KubernetesDriver } from "../../src/scaler/drivers/kubernetes.ts";
import { driverSuite } from "../support/driver-suite.ts";
import { closeAfterTest, eventually } from "../support/group.ts";
import { FakeCluster } from "../support/kubernetes.ts";
import type { Behaviour } from "../support/replica-program.ts";

const { signal } = new AbortController();
const unavailable = (words: RegExp): unknown =>
  expect.objectContaining({ code: "TARGET_UNAVAILABLE", message: expect.stringMatching(words) });

async function start(
  kind: "Deployment" | "StatefulSet",
  behaviour: Behaviour = "polite",
): Promise<FakeCluster> {
  const cluster = await FakeCluster.start(kind, "consumer", behaviour);
  closeAfterTest(() => cluster.stop());
  return cluster;
}

function driverOf(
  { url, token }: FakeCluster,
  kind: "Deployment" | "StatefulSet",
  name = "consumer",
): KubernetesDriver {
  const access = { server: url, namespace: "shop", token: { text: token } };
  return new KubernetesDriver({ kind, name, access });
}

for (const kind of ["Deployment", "StatefulSet"] as const) {
  const rules = {
    choosesVictim: kind === "Deployment",
    staysWhenClosed: true,
    tellsLastWords: true,
  };
  driverSuite(
    `the Kubernetes driver of a ${kind} (no cluster: an HTTP server like it)`,
    rules,
    () => {
      let cluster: FakeCluster | undefined;
      return {
        open: async (behaviour) => {
          cluster = await start(kind, behaviour);
          return driverOf(cluster, kind);
        },
        told: (event) => cluster?.told[event] ?? 0,
        neighbours: async () => ["other"],
        openMissing: async () => driverOf(await start(kind), kind, "no-such-workload"),
      };
    },
  );
}

describe("the Kubernetes driver (no cluster: an HTTP server like it)", () => {
  async function running(
    count: number,
    kind: "Deployment" | "StatefulSet" = "Deployment",
  ): Promise<{ cluster: FakeCluster; driver: KubernetesDriver; replicas: readonly Replica[] }> {
    const cluster = await start(kind);
    const driver = driverOf(cluster, kind);
    await driver.grow(count - 1, signal);
    await eventually("all run", async () => {
      const all = await driver.current(signal);
      return all.length === count && all.every(({ state }) => state === "running");
    });
    return { cluster, driver, replicas: await driver.current(signal) };
  }

  test("knows the member in a pod by the pod's name", async () => {
    const { replicas } = await running(2);
    expect(replicas.map(({ memberId }) => memberId)).toEqual(replicas.map(({ name }) => name));
  });

  test("counts from what somebody else has made of the scale meanwhile", async () => {
    const { cluster, driver } = await running(2);
    cluster.conflicts = 3;
    await driver.grow(2, signal);
    expect(cluster.replicas).toBe(4);
  });

  test("counts those that are wanted and have no pod yet, and takes them back first", async () => {
    const { cluster, driver } = await running(1, "StatefulSet");
    cluster.room = 2;
    await driver.grow(3, signal);
    const states = async (): Promise<string> =>
      (await driver.current(signal)).map(({ state }) => state).join(" ");
    await eventually("as many as there is room for run", async () => {
      return (await states()) === "running running starting starting";
    });
    const toCome = (await driver.current(signal)).at(-1);
    expect(toCome?.name).toBe("consumer (pod 2 to come)");
    await driver.remove(toCome as Replica, 5_000, signal);
    expect(await states()).toBe("running running starting");
    expect(cluster.replicas).toBe(3);
  });

  test("does not leave a pod marked when the scale cannot be changed", async () => {
    const { cluster, driver, replicas } = await running(2);
    cluster.conflicts = Number.POSITIVE_INFINITY;
    await expect(driver.remove(replicas[0] as Replica, 5_000, signal)).rejects.toEqual(
      unavailable(/kubectl get hpa/),
    );
    expect(Object.values(cluster.costs)).toEqual([undefined, undefined]);
  });

  test("gives up when somebody else changes the scale all the time", async () => {
    const { cluster, driver } = await running(1);
    cluster.conflicts = Number.POSITIVE_INFINITY;
    await expect(driver.grow(1, signal)).rejects.toEqual(unavailable(/kubectl get hpa/));
  });

  test("does not leave a pod marked when Kubernetes has taken another one", async () => {
    const { cluster, driver, replicas } = await running(3);
    const [victim, unready] = replicas;
    cluster.unready(unready?.name ?? "");
    await driver.remove(victim as Replica, 5_000, signal);
    const left = await driver.current(signal);
    expect(left.map(({ id }) => id)).toContain(victim?.id);
    expect(left).toHaveLength(2);
    expect(Object.values(cluster.costs)).toEqual([undefined, undefined]);
  });

  test("does without a metrics server", async () => {
    const { cluster, driver } = await running(1);
    cluster.measures = false;
    expect((await driver.current(signal)).map(({ cpuPercent }) => cpuPercent)).toEqual([undefined]);
  });

  test("tells what kubectl shows, and by which permissions it would work", async () => {
    const { cluster, driver } = await running(1);
    cluster.refusal = { status: 403, message: "cannot get resource deployments/scale" };
    await expect(driver.current(signal)).rejects.toEqual(
      unavailable(/cannot get resource deployments\/scale; give it a Role/),
    );
    cluster.refusal = { status: 401, message: "Unauthorized" };
    await expect(driver.check(signal)).rejects.toEqual(unavailable(/Unauthorized; log in again/));
  });

  test("says so when nobody answers, and never tells the token", async () => {
    const { cluster, driver } = await running(1);
    await cluster.stop();
    const error: unknown = await driver.current(signal).catch((caught: unknown) => caught);
    expect(error).toEqual(unavailable(/cannot be reached.*kubectl cluster-info/));
    expect(String((error as Error).message)).not.toContain(cluster.token);
  });
});
