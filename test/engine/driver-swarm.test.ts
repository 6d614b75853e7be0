/** The Swarm driver on a real engine, which becomes a swarm of one node for as long as the tests take. */
import { mkdtempSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import type Dockerode from "dockerode";
import { afterAll, beforeAll, expect, test } from "vitest";
import type { Driver } from "../../src/scaler/drivers/driver.ts";
import type { SwarmService, SwarmTask } from "../../src/scaler/drivers/docker-types.ts";
import { SwarmDriver } from "../../src/scaler/drivers/swarm.ts";
import { isLive } from "../../src/scaler/drivers/swarm-tasks.ts";
import { driverSuite } from "../support/driver-suite.ts";
import { describeOnEngine } from "../support/engine.ts";
import { closeAfterTest, eventually } from "../support/group.ts";
import { type Behaviour, PROGRAM, readJournal } from "../support/replica-program.ts";

const SECOND_NS = 1_000_000_000;

const { signal } = new AbortController();
const unavailable = (words: RegExp): unknown =>
  expect.objectContaining({ code: "TARGET_UNAVAILABLE", message: expect.stringMatching(words) });

let services = 0;

await describeOnEngine("the Swarm driver", (engine) => {
  const { docker } = engine;
  let leave = false;
  const journals: string[] = [];

  beforeAll(async () => {
    const { Swarm } = (await docker.info()) as { Swarm: { LocalNodeState: string } };
    if (Swarm.LocalNodeState !== "inactive") return;
    await docker.swarmInit({ ListenAddr: "127.0.0.1:2377", AdvertiseAddr: "127.0.0.1" });
    leave = true;
  }, 60_000);

  afterAll(async () => {
    // Swarm takes its time, for which no test needs to wait.
    await eventually(
      "all containers are gone",
      async () => {
        const label = ["com.docker.swarm.service.name"];
        const all = await docker.listContainers({ all: true, filters: { label } });
        return all.every(({ Names }) => !Names[0]?.includes(engine.run));
      },
      30_000,
    );
    for (const journal of journals) rmSync(journal, { recursive: true, force: true });
    if (!leave) return;
    await docker.swarmLeave({ _query: { force: true }, _body: {} });
    // It stays when a swarm goes.
    await docker.getNetwork("docker_gwbridge").remove();
  }, 60_000);

  /** Deploys a service with one replica; it is gone after the test. */
  async function deploy(
    behaviour: Behaviour,
    mode: Dockerode.ServiceMode = { Replicated: { Replicas: 1 } },
  ): Promise<{ name: string; journal: string }> {
    const name = `docktor-test-${engine.run}-${++services}`;
    const journal = mkdtempSync(join(tmpdir(), "docktor-test-"));
    const service = await docker.createService({
      Name: name,
      Mode: mode,
      TaskTemplate: {
        ContainerSpec: {
          // By its id, which no registry is asked for.
          Image: engine.image,
          Command: [engine.node],
          Args: ["-e", PROGRAM],
          Env: ["JOURNAL=/journal", `BEHAVIOUR=${behaviour}`, "MEMBER_ID=shop-{{.Task.Slot}}"],
          Mounts: [{ Type: "bind", Source: journal, Target: "/journal" }],
          StopGracePeriod: (behaviour === "deaf" ? 1 : 10) * SECOND_NS,
        },
        RestartPolicy: { Condition: "any", Delay: SECOND_NS / 2 },
        Networks: [{ Target: "host" }],
      },
    });
    closeAfterTest(() => takeAway(service, mode));
    journals.push(journal);
    return { name, journal };
  }

  /**
   * Removes a service of which nothing runs any more. Engine 20.10 ends with a nil pointer (swarmkit's
   * `SetServiceTasksRemove`) when a service goes while its own clearing away of a task is under way.
   */
  async function takeAway(service: Dockerode.Service, mode: Dockerode.ServiceMode): Promise<void> {
    if (mode.Replicated !== undefined) {
      const isOver = async (): Promise<boolean> => {
        const { ID, Spec, Version } = (await service.inspect()) as SwarmService;
        const none = { ...Spec, version: Version.Index, Mode: { Replicated: { Replicas: 0 } } };
        // In vain when somebody else has changed it meanwhile, and then it is tried again.
        if (Spec.Mode?.Replicated?.Replicas !== 0) {
          await service.update(none);
          return false;
        }
        const tasks = (await docker.listTasks({ filters: { service: [ID] } })) as SwarmTask[];
        return tasks.every((task) => !isLive(task) && task.DesiredState !== "remove");
      };
      await eventually("all its tasks are over", isOver, 25_000);
    }
    await service.remove();
  }

  const rules = { choosesVictim: false, staysWhenClosed: true, tellsLastWords: false };

  driverSuite("as every driver", rules, () => {
    let journal: string | undefined;
    let neighbour: Driver | undefined;
    return {
      open: async (behaviour) => {
        const deployed = await deploy(behaviour);
        journal = deployed.journal;
        const driver = await SwarmDriver.open({ service: deployed.name });
        // Swarm takes its time before there is even a task.
        await eventually("it has begun", async () => (await driver.current(signal)).length === 1);
        return driver;
      },
      told: (event) =>
        journal === undefined
          ? 0
          : readJournal(journal).filter((entry) => entry.event === event).length,
      neighbours: async () => {
        neighbour ??= await SwarmDriver.open({ service: (await deploy("polite")).name });
        const beside = neighbour;
        await eventually("it runs", async () => {
          const [replica] = await beside.current(signal);
          return replica?.state === "running";
        });
        return (await beside.current(signal)).map(({ id }) => id);
      },
      openMissing: async () => await SwarmDriver.open({ service: "no-such-service" }),
    };
  });

  test("tells members by the templates of their tasks", async () => {
    const { name } = await deploy("polite");
    const driver = await SwarmDriver.open({ service: name });
    await driver.grow(1, signal);
    await eventually("both are there", async () => {
      return (await driver.current(signal)).length === 2;
    });
    const replicas = await driver.current(signal);
    expect(replicas.map(({ memberId }) => memberId)).toEqual(["shop-1", "shop-2"]);
    expect(replicas.map((replica) => replica.name)).toEqual([`${name}.1`, `${name}.2`]);
  });

  test("counts from what others make of the service meanwhile", async () => {
    const { name } = await deploy("polite");
    const drivers = await Promise.all([1, 2, 3].map(() => SwarmDriver.open({ service: name })));
    await Promise.all(drivers.map((driver) => driver.grow(1, signal)));
    const [driver] = drivers;
    await eventually("all are there", async () => {
      return (await driver?.current(signal))?.length === 4;
    });
  });

  test("refuses a service that runs on every node", async () => {
    const { name } = await deploy("polite", { Global: {} });
    const driver = await SwarmDriver.open({ service: name });
    await expect(driver.check(signal)).rejects.toEqual(
      unavailable(/deploy it with mode: replicated/),
    );
  });
});
