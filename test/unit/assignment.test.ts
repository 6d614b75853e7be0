import fc from "fast-check";
import { describe, expect, test } from "vitest";
import { type Assignment, assign } from "../../src/partition/assignment.ts";

type Owners = readonly (string | undefined)[];

function plan(
  partitions: number,
  members: readonly string[],
  owners: Owners,
  away: ReadonlySet<string> = new Set(),
): Assignment {
  return assign({ partitions, members, away, ownerOf: (partition) => owners[partition] });
}

function sizes(assignment: Assignment, members: readonly string[]): number[] {
  return members.map((member) => assignment.filter((owner) => owner === member).length);
}

function moved(from: Owners, to: Assignment): number[] {
  return to.flatMap((owner, partition) => (owner === from[partition] ? [] : [partition]));
}

const names = (count: number): string[] =>
  Array.from({ length: count }, (_, i) => `member-${(i * 7919) % 10_007}`);

const partitionCount = fc.integer({ min: 1, max: 1_000 });
const memberNames = fc.integer({ min: 1, max: 100 }).map(names);

/** A group in any state: some partitions held by members, some by strangers, some by nobody. */
const anyGroup = fc.tuple(partitionCount, memberNames).chain(([partitions, members]) =>
  fc.record({
    partitions: fc.constant(partitions),
    members: fc.constant(members),
    owners: fc.array(
      fc.oneof(
        fc.constantFrom(...members),
        fc.constantFrom("gone-1", "gone-2"),
        fc.constant(undefined),
      ),
      { minLength: partitions, maxLength: partitions },
    ),
  }),
);

/** A group that has settled. */
const settledGroup = fc.tuple(partitionCount, memberNames).map(([partitions, members]) => ({
  partitions,
  members,
  owners: plan(partitions, members, []),
}));

describe("assign", () => {
  test("gives every partition to one of the members", () => {
    fc.assert(
      fc.property(anyGroup, ({ partitions, members, owners }) => {
        const assignment = plan(partitions, members, owners);
        expect(assignment).toHaveLength(partitions);
        expect(new Set(members)).toEqual(new Set([...members, ...assignment]));
      }),
    );
  });

  test("leaves every partition without an owner when there are no members", () => {
    expect(plan(3, [], ["gone", undefined, "gone"])).toEqual([undefined, undefined, undefined]);
  });

  test("is balanced: sizes differ by at most one", () => {
    fc.assert(
      fc.property(anyGroup, ({ partitions, members, owners }) => {
        const counts = sizes(plan(partitions, members, owners), members);
        expect(Math.max(...counts) - Math.min(...counts)).toBeLessThanOrEqual(1);
      }),
    );
  });

  test("moves as few partitions as any balanced assignment could", () => {
    fc.assert(
      fc.property(anyGroup, ({ partitions, members, owners }) => {
        const kept = partitions - moved(owners, plan(partitions, members, owners)).length;
        // The most that can stay: each member keeps up to its quota, and the larger quotas go
        // to those who can fill them.
        const base = Math.floor(partitions / members.length);
        const extra = partitions % members.length;
        const held = members.map((member) => owners.filter((owner) => owner === member).length);
        const fillsLarger = held.filter((count) => count > base).length;
        const optimum =
          held.reduce((sum, count) => sum + Math.min(count, base), 0) +
          Math.min(extra, fillsLarger);
        expect(kept).toBe(optimum);
      }),
    );
  });

  test("a join moves at most ceil(P / (n + 1)) partitions, and only to the newcomer", () => {
    fc.assert(
      fc.property(settledGroup, ({ partitions, members, owners }) => {
        const after = plan(partitions, [...members, "newcomer"], owners);
        const moves = moved(owners, after);
        expect(moves.length).toBeLessThanOrEqual(Math.ceil(partitions / (members.length + 1)));
        for (const partition of moves) expect(after[partition]).toBe("newcomer");
      }),
    );
  });

  test("a leave moves only the partitions of the one that left", () => {
    fc.assert(
      fc.property(settledGroup, fc.nat(), ({ partitions, members, owners }, pick) => {
        const leaver = members[pick % members.length];
        const rest = members.filter((member) => member !== leaver);
        fc.pre(rest.length > 0);
        for (const partition of moved(owners, plan(partitions, rest, owners))) {
          expect(owners[partition]).toBe(leaver);
        }
      }),
    );
  });

  test("is deterministic: the order in which members are listed does not matter", () => {
    fc.assert(
      fc.property(
        anyGroup.chain((group) =>
          fc.record({
            group: fc.constant(group),
            shuffled: fc.shuffledSubarray(group.members, { minLength: group.members.length }),
          }),
        ),
        ({ group: { partitions, members, owners }, shuffled }) => {
          expect(plan(partitions, shuffled, owners)).toEqual(plan(partitions, members, owners));
        },
      ),
    );
  });

  test("is a fixed point: applied to its own result it changes nothing", () => {
    fc.assert(
      fc.property(anyGroup, ({ partitions, members, owners }) => {
        const once = plan(partitions, members, owners);
        expect(plan(partitions, members, once)).toEqual(once);
      }),
    );
  });

  test("carried out in part it leads to the same plan, whoever looks when", () => {
    fc.assert(
      fc.property(
        anyGroup,
        fc.infiniteStream(fc.boolean()),
        ({ partitions, members, owners }, done) => {
          const goal = plan(partitions, members, owners);
          // A released partition counts as its next owner's already.
          const halfway = goal.map((owner, partition) =>
            done.next().value ? owner : owners[partition],
          );
          expect(plan(partitions, members, halfway)).toEqual(goal);
        },
      ),
    );
  });
});

describe("assign while members are away for a restart", () => {
  /** A group in any state, of which any members are away. */
  const groupWithAbsent = anyGroup.chain((group) =>
    fc.record({
      group: fc.constant(group),
      away: fc.subarray(group.members).map((absent) => new Set(absent)),
    }),
  );

  test("moves nothing in a group that has settled, whoever is away", () => {
    fc.assert(
      fc.property(
        settledGroup.chain((group) =>
          fc.record({ group: fc.constant(group), away: fc.subarray(group.members) }),
        ),
        ({ group: { partitions, members, owners }, away }) => {
          expect(plan(partitions, members, owners, new Set(away))).toEqual(owners);
        },
      ),
    );
  });

  test("gives nothing to a member that is away", () => {
    fc.assert(
      fc.property(groupWithAbsent, ({ group: { partitions, members, owners }, away }) => {
        const after = plan(partitions, members, owners, away);
        for (const partition of moved(owners, after)) {
          expect(away).not.toContain(after[partition]);
        }
      }),
    );
  });

  test("leaves no partition to wait that somebody who is there could take", () => {
    fc.assert(
      fc.property(groupWithAbsent, ({ group: { partitions, members, owners }, away }) => {
        fc.pre(away.size < members.length);
        expect(plan(partitions, members, owners, away)).not.toContain(undefined);
      }),
    );
  });

  test("shares evenly among those that are there, and an absent one has no more than they", () => {
    fc.assert(
      fc.property(groupWithAbsent, ({ group: { partitions, members, owners }, away }) => {
        const present = members.filter((member) => !away.has(member));
        fc.pre(present.length > 0);
        const after = plan(partitions, members, owners, away);
        const counts = sizes(after, present);
        const [least, most] = [Math.min(...counts), Math.max(...counts)];
        expect(most - least).toBeLessThanOrEqual(1);
        for (const count of sizes(after, [...away])) expect(count).toBeLessThanOrEqual(least + 1);
      }),
    );
  });

  test("is a fixed point, and carried out in part it leads to the same plan", () => {
    fc.assert(
      fc.property(
        groupWithAbsent,
        fc.infiniteStream(fc.boolean()),
        ({ group: { partitions, members, owners }, away }, done) => {
          const goal = plan(partitions, members, owners, away);
          const halfway = goal.map((owner, partition) =>
            done.next().value ? owner : owners[partition],
          );
          expect(plan(partitions, members, goal, away)).toEqual(goal);
          expect(plan(partitions, members, halfway, away)).toEqual(goal);
        },
      ),
      { numRuns: 1_000 },
    );
  });

  test("leaves what nobody holds to nobody while everyone is away", () => {
    const everyone = new Set(["a", "b"]);
    const owners = ["a", "gone", undefined, "a"];
    expect(plan(4, ["a", "b"], owners, everyone)).toEqual(["a", undefined, undefined, "a"]);
  });
});
