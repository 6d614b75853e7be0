/** What pods and tasks are called in our words, and what their words for the processor mean. */
import { describe, expect, test } from "vitest";
import type { SwarmTask } from "../../src/scaler/drivers/docker-types.ts";
import { percentOf, type Pod, replicaOf } from "../../src/scaler/drivers/kubernetes-pods.ts";
import { replicasOf } from "../../src/scaler/drivers/swarm-tasks.ts";

describe("a pod", () => {
  const pod = (status: Pod["status"], spec: Pod["spec"] = {}): Pod => ({
    metadata: { name: "consumer-x", uid: "u" },
    spec,
    ...(status && { status }),
  });
  const waiting = (reason: string, message?: string): Pod =>
    pod({
      phase: "Pending",
      containerStatuses: [{ state: { waiting: { reason, ...(message && { message }) } } }],
    });

  test("is starting until it runs, and stopping from when it was told to", () => {
    expect(replicaOf(pod({ phase: "Pending" })).state).toBe("starting");
    expect(replicaOf(waiting("ContainerCreating")).state).toBe("starting");
    expect(replicaOf(pod({ phase: "Running" })).state).toBe("running");
    const ending = { name: "consumer-x", uid: "u", deletionTimestamp: "2026-01-01T00:00:00Z" };
    expect(replicaOf({ ...waiting("CrashLoopBackOff"), metadata: ending }).state).toBe("stopping");
  });

  test.each([
    [waiting("ImagePullBackOff", "no such image"), "ImagePullBackOff: no such image"],
    [waiting("ErrImageNeverPull"), "ErrImageNeverPull"],
    [
      waiting("CreateContainerConfigError", "no secret x"),
      "CreateContainerConfigError: no secret x",
    ],
    [
      pod({
        phase: "Running",
        containerStatuses: [{ state: { terminated: { exitCode: 1, reason: "Error" } } }],
      }),
      "exit code 1: Error",
    ],
    [
      pod({
        phase: "Running",
        initContainerStatuses: [{ state: { terminated: { exitCode: 0 } } }],
        containerStatuses: [
          {
            state: { waiting: { reason: "CrashLoopBackOff" } },
            lastState: { terminated: { exitCode: 137, reason: "OOMKilled" } },
          },
        ],
      }),
      "killed by the system, for lack of memory, and it said nothing",
    ],
  ])("that does not get on tells why: %#", (given, why) => {
    expect(replicaOf(given)).toMatchObject({ state: "failed", why });
  });

  test.each<
    [NonNullable<NonNullable<Pod["spec"]>["containers"]>[number]["env"], string | undefined]
  >([
    [
      [{ name: "MEMBER_ID", valueFrom: { fieldRef: { fieldPath: "metadata.name" } } }],
      "consumer-x",
    ],
    [
      [
        { name: "POD", valueFrom: { fieldRef: { fieldPath: "metadata.name" } } },
        { name: "MEMBER_ID", value: "shop-$(POD)" },
      ],
      "shop-consumer-x",
    ],
    [[{ name: "MEMBER_ID", value: "the-same-in-all" }], undefined],
    [[{ name: "OTHER", value: "1" }], undefined],
  ])("is a member whose name only it can have: %#", (env = [], memberId) => {
    const given = pod({ phase: "Running" }, { containers: [{ env }] });
    expect(replicaOf(given).memberId).toBe(memberId);
  });

  test.each([
    ["0", 0],
    ["250m", 25],
    ["1500000000n", 150],
    ["12500u", 1.25],
    ["2", 200],
    ["many", undefined],
  ])("that uses %s of the processor uses %s per cent", (cpu, percent) => {
    const found = percentOf(cpu);
    if (percent === undefined) expect(found).toBeUndefined();
    else expect(found).toBeCloseTo(percent);
  });
});

describe("a Swarm task", () => {
  let at = 0;
  const task = (
    Slot: number,
    State: string,
    DesiredState: string,
    more: Partial<SwarmTask["Status"]> = {},
  ): SwarmTask => ({
    ID: `${Slot}-${++at}`,
    CreatedAt: new Date(at * 1_000).toISOString(),
    Slot,
    DesiredState,
    Status: { State, ...more },
    Spec: { ContainerSpec: { Env: ["MEMBER_ID={{.Service.Name}}-{{.Task.Slot}}"] } },
  });
  const told = (tasks: readonly SwarmTask[], desired: number): unknown =>
    replicasOf("shop", tasks, desired).map(({ name, state, why }) => [name, state, why]);

  test("is a replica until it is over", () => {
    const tasks = [
      task(1, "shutdown", "shutdown"),
      task(1, "running", "running"),
      task(2, "preparing", "running"),
      task(3, "running", "remove"),
      task(4, "complete", "shutdown"),
    ];
    expect(told(tasks, 2)).toEqual([
      ["shop.1", "running", undefined],
      ["shop.2", "starting", undefined],
      ["shop.3", "stopping", undefined],
    ]);
  });

  test("that is started again after a failure is failed until it runs", () => {
    const failed = task(1, "failed", "shutdown", {
      Err: "task: non-zero exit (3)",
      ContainerStatus: { ExitCode: 3 },
    });
    const why = "exit code 3: task: non-zero exit (3)";
    expect(told([failed, task(1, "ready", "ready")], 1)).toEqual([["shop.1", "failed", why]]);
    expect(told([failed, task(1, "running", "running")], 1)).toEqual([
      ["shop.1", "running", undefined],
    ]);
  });

  test("that Swarm has given up is failed, as long as there should be one in its place", () => {
    const rejected = task(2, "rejected", "shutdown", { Err: "No such image: shop" });
    const tasks = [task(1, "running", "running"), rejected];
    expect(told(tasks, 2)).toEqual([
      ["shop.1", "running", undefined],
      ["shop.2", "failed", "No such image: shop"],
    ]);
    expect(told(tasks, 1)).toEqual([["shop.1", "running", undefined]]);
  });

  test("is a member by what its template says of it", () => {
    const [first] = replicasOf("shop", [task(5, "running", "running")], 1);
    expect(first?.memberId).toBe("shop-5");
  });
});
