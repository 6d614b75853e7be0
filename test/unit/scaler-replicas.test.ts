/** Which replica runs which member, how many are ready, and which one is let go. */
import { describe, expect, test } from "vitest";
import type { Replica } from "../../src/scaler/drivers/driver.ts";
import { counted, crewsOf, victimOf } from "../../src/scaler/replicas.ts";
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
  counted(crewsOf(replicas, members), members, leaving);

describe("replicas", () => {
  test("are ready once their member is in the group, starting until then, and failing while they keep ending", () => {
    const all = [replica("a"), replica("b"), replica("c", { state: "failed" }), replica("d", { state: "starting" })];
    expect(count(all, [member("a")])).toEqual({ ready: 1, starting: 2, failing: 1, draining: 0 });
  });

  test("are draining while they are let go, whoever does it", () => {
    const all = [replica("a"), replica("b"), replica("c", { state: "stopping" }), replica("d")];
    const members = [member("a", { state: "draining" }), member("b"), member("d")];
    expect(count(all, members, new Set(["b"]))).toEqual({ ready: 1, starting: 0, failing: 0, draining: 3 });
  });

  test("are told apart by the host name in a member's id where they were given none", () => {
    const id = "0123456789abcdef0123";
    const container = replica(id, { memberId: undefined });
    const members = [member("0123456789ab-1-c0ffee00")];
    expect(crewsOf([container], members)[0]?.member).toBe(members[0]);
    expect(count([container], members)).toEqual({ ready: 1, starting: 0, failing: 0, draining: 0 });
  });

  test("that cannot be told apart are as many ready as the group has other members", () => {
    const all = ["x", "y", "z"].map((id) => replica(id, { memberId: undefined }));
    expect(count(all, [member("m1"), member("m2")])).toEqual({ ready: 2, starting: 1, failing: 0, draining: 0 });
  });

  test("are ready when they run where nobody knows members", () => {
    const all = [replica("a"), replica("b", { state: "starting" })];
    expect(count(all)).toEqual({ ready: 1, starting: 1, failing: 0, draining: 0 });
  });

  test("whose member is dead are not ready", () => {
    expect(count([replica("a")], [member("a", { state: "dead" })])).toEqual({ ready: 0, starting: 1, failing: 0, draining: 0 });
  });
});

describe("the one to let go", () => {
  const choose = (replicas: Replica[], members: MemberSample[], leaving = NOBODY): string | undefined =>
    victimOf(crewsOf(replicas, members), leaving)?.replica.id;
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
