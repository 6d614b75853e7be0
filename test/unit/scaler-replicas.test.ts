/** Which replica runs which member, how many are ready, and which one is let go. */
import { describe, expect, test } from "vitest";
import type { Replica } from "../../src/scaler/drivers/driver.ts";
import { countReplicas, victimOf, withMembers } from "../../src/scaler/replicas.ts";
import type { MemberSample } from "../../src/scaler/signals/queue.ts";

const replica = (id: string, more: Partial<Replica> = {}): Replica => ({
  id,
  name: id,
  memberId: id,
  state: "running",
  cpuPercent: undefined,
  ...more,
});

const member = (id: string, more: Partial<MemberSample> = {}): MemberSample => ({
  id,
  incarnation: `life of ${id}`,
  state: "active",
  startedAt: 0,
  partitions: 4,
  work: undefined,
  ...more,
});

const NOBODY = new Set<string>();
const count = (replicas: Replica[], members?: MemberSample[], leaving = NOBODY) =>
  countReplicas(withMembers(replicas, members), members, leaving);

describe("replicas", () => {
  test("are ready once their member is in the group, starting until then, and failing while they keep ending", () => {
    const all = [
      replica("a"),
      replica("b"),
      replica("c", { state: "failed" }),
      replica("d", { state: "starting" }),
    ];
    expect(count(all, [member("a")])).toEqual({ ready: 1, starting: 2, failing: 1, draining: 0 });
  });

  test("are draining while they are let go, whoever does it", () => {
    const all = [replica("a"), replica("b"), replica("c", { state: "stopping" }), replica("d")];
    const members = [member("a", { state: "draining" }), member("b"), member("d")];
    expect(count(all, members, new Set(["b"]))).toEqual({
      ready: 1,
      starting: 0,
      failing: 0,
      draining: 3,
    });
  });

  test("are as many ready as the group has other members, also where they do not use the id they were given", () => {
    const all = [replica("a"), replica("b"), replica("c")];
    const members = [member("host-17-c0ffee00"), member("host-18-c0ffee01")];
    expect(count(all, members)).toEqual({ ready: 2, starting: 1, failing: 0, draining: 0 });
  });

  test("are told apart by the process's id in the id of a member that does not use the one it was given", () => {
    const all = [
      replica("a", { unnamedMember: "host-17" }),
      replica("b", { unnamedMember: "host-1" }),
    ];
    const members = [member("host-1-c0ffee01"), member("host-17-c0ffee00")];
    expect(withMembers(all, members).map((each) => each.member?.id)).toEqual([
      "host-17-c0ffee00",
      "host-1-c0ffee01",
    ]);
  });

  test("are told apart by the name of their pod, which is its host name", () => {
    const pod = replica("7d1f-uid", { name: "consumer-6f9c-x2x7k", memberId: undefined });
    const members = [member("consumer-6f9c-x2x7k-1-c0ffee00")];
    expect(withMembers([pod], members)[0]?.member).toBe(members[0]);
  });

  test("are told apart by the host name in a member's id where they were given none", () => {
    const id = "0123456789abcdef0123";
    const container = replica(id, { memberId: undefined });
    const members = [member("0123456789ab-1-c0ffee00")];
    expect(withMembers([container], members)[0]?.member).toBe(members[0]);
    expect(count([container], members)).toEqual({ ready: 1, starting: 0, failing: 0, draining: 0 });
  });

  test("that cannot be told apart are as many ready as the group has other members", () => {
    const all = ["x", "y", "z"].map((id) => replica(id, { memberId: undefined }));
    expect(count(all, [member("m1"), member("m2")])).toEqual({
      ready: 2,
      starting: 1,
      failing: 0,
      draining: 0,
    });
  });

  test("are ready when they run where nobody knows members", () => {
    const all = [replica("a"), replica("b", { state: "starting" })];
    expect(count(all)).toEqual({ ready: 1, starting: 1, failing: 0, draining: 0 });
  });

  test("whose member is dead are not ready", () => {
    expect(count([replica("a")], [member("a", { state: "dead" })])).toEqual({
      ready: 0,
      starting: 1,
      failing: 0,
      draining: 0,
    });
  });
});

describe("the one to let go", () => {
  const choose = (
    replicas: Replica[],
    members: MemberSample[],
    leaving = NOBODY,
  ): string | undefined => victimOf(withMembers(replicas, members), leaving)?.replica.id;
  const all = [replica("a"), replica("b"), replica("c")];

  test("is the one whose leaving moves the fewest partitions, and of those the youngest", () => {
    const members = [
      member("a", { partitions: 3, startedAt: 1 }),
      member("b", { partitions: 3, startedAt: 2 }),
      member("c", { partitions: 4, startedAt: 3 }),
    ];
    expect(choose(all, members)).toBe("b");
  });

  test("is one that is not in the group yet, and before it one that fails", () => {
    expect(choose(all, [member("a"), member("b")])).toBe("c");
    const failing = [replica("a"), replica("b", { state: "failed" }), replica("c")];
    expect(choose(failing, [member("a")])).toBe("b");
  });

  test("is none that is leaving already", () => {
    const members = [member("a"), member("b", { state: "draining" }), member("c")];
    expect(choose(all, members, new Set(["a"]))).toBe("c");
    expect(choose([replica("a")], [member("a")], new Set(["a"]))).toBeUndefined();
  });
});
