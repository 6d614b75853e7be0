/**
 * Every interleaving of members that claim, seal, commit and release, up to a bound; and mutations of
 * the protocol, to show that the search can fail. What is run is the library's own code: `Session`,
 * `declareDead`, `Lease`, `Checkpoint`, `releaseRecord`, `settle`.
 *
 * At every request the search decides which one is carried out next, and what its sender learns: the
 * answer, at once or late; or nothing, although a write has landed, may land later, or never does.
 * A member that may be paused runs its timers whenever the search says so. The bound is the number of
 * such faults and the number of times that time passes, stated with each scenario.
 *
 * In every state: an epoch has one committer, epochs only grow, sequences do not go back, what was
 * acknowledged is in the checkpoint, handlers may start at one member at most, who trusts a session
 * has one, and if all members stopped here for good, a new one could take the partition over and
 * would miss nothing.
 *
 * EXPLORE_DEPTH=1 allows one more fault and one more passage of time everywhere, and takes minutes to
 * hours; it can be run by scenario: `EXPLORE_DEPTH=1 npx vitest run unit/lease-interleavings -t NAME`.
 */
import { describe, expect, test } from "vitest";
import type { ModelMember } from "../support/explorer/member.ts";
import { blind, credulous, hopeful, withoutCompare } from "../support/explorer/mutations.ts";
import { Run } from "../support/explorer/run.ts";
import type { Scenario } from "../support/explorer/scenario.ts";
import { explore, type Findings } from "../support/explorer/search.ts";

const DEEPER = Number(process.env["EXPLORE_DEPTH"] ?? 0);
const TIMEOUT_MS = DEEPER > 0 ? 6 * 3_600_000 : 60_000;

type Members = Readonly<Record<string, ModelMember>>;
type Does = (member: ModelMember) => Promise<unknown>;

/** Everyone has joined. */
const joined = async (members: Members): Promise<void> => {
  for (const member of Object.values(members)) await member.join();
};

/** Everyone has joined, and a owns the partition. */
const ownedByA = async (members: Members): Promise<void> => {
  await joined(members);
  await members["a"]?.claim();
};

const claims: Does = (member) => member.claim();
const claimsFromSilent: Does = (member) => member.claimFromSilent();
const rests: Does = () => Promise.resolve();
const handles: Does = (member) => member.handle();

const inTurn =
  (...steps: Does[]): Does =>
  async (member) => {
    for (const step of steps) await step(member);
  };

const handsOver: Does = (member) => member.release("b", { prepared: "all 512" });

const claimsOrFrees: Does = async (member) => {
  if (!(await member.claim())) await member.freeStray("b");
};

const comesBack: Does = async (member) => {
  if (!member.trusted) await inTurn(() => member.join(), claims, handles)(member);
};

/** What a member with a wrong view does: it takes leases of the living. */
const wrongView = { wrongView: true, mutation: { asksNobody: true } } as const;

describe("in every interleaving the invariants hold when", () => {
  const scenarios: Record<string, Scenario> = {
    "two members claim a free partition": {
      before: joined,
      scripts: { a: inTurn(claims, handles), b: inTurn(claims, handles) },
      faults: 1,
    },
    "two members claim a free partition over a store that gives up at once": {
      before: joined,
      scripts: { a: inTurn(claims, handles), b: inTurn(claims, handles) },
      faults: 2,
      settles: false,
    },
    "an owner falls asleep": {
      before: ownedByA,
      scripts: { a: inTurn(handles, handles), b: inTurn(claims, handles) },
      mayPause: ["a"],
      passages: 4,
      faults: 0,
    },
    "a member's renewals go astray": {
      before: joined,
      scripts: { a: rests },
      mayPause: ["a"],
      passages: 8,
      faults: 1,
    },
    "an owner's renewals go astray while another is after its lease": {
      before: ownedByA,
      scripts: { a: rests, b: claims },
      mayPause: ["a"],
      passages: 4,
      faults: 1,
      settles: false,
    },
    "an owner falls asleep, and its neighbour watches": {
      before: ownedByA,
      scripts: { a: handles, b: inTurn(claimsFromSilent, handles) },
      mayPause: ["a"],
      passages: 6,
      faults: 0,
    },
    "a claimer falls asleep": {
      before: joined,
      scripts: { a: inTurn(claims, handles), b: claims },
      mayPause: ["a"],
      passages: 4,
      faults: 0,
    },
    "an owner that was asleep comes back as another life": {
      before: ownedByA,
      scripts: { a: inTurn(handles, comesBack), b: claims },
      mayPause: ["a"],
      passages: 4,
      faults: 0,
    },
    "an owner hands over": {
      before: ownedByA,
      scripts: { a: inTurn(handles, handsOver), b: inTurn(claims, claims, handles) },
      faults: 1,
    },
    "an owner falls asleep while it hands over": {
      before: ownedByA,
      scripts: { a: inTurn(handles, handsOver), b: inTurn(claims, handles) },
      mayPause: ["a"],
      passages: 4,
      faults: 0,
    },
    "a claim fails half-way and is freed": {
      before: joined,
      scripts: { a: claimsOrFrees, b: inTurn(claims, handles) },
      faults: 1,
      settles: false,
    },
    "an owner commits while another seals from under it": {
      before: ownedByA,
      scripts: { a: inTurn(handles, handles), b: inTurn(claims, handles) },
      faults: 1,
      ...wrongView,
    },
  };

  test.each(Object.entries(scenarios))("%s", { timeout: TIMEOUT_MS }, async (name, scenario) => {
    const { faults, passages = 0 } = scenario;
    const deeper = {
      ...scenario,
      faults: faults + DEEPER,
      passages: passages === 0 ? 0 : passages + DEEPER,
    };
    const found = await explore(() => Run.begin(deeper));
    const bound = `faults ${deeper.faults}, passages of time ${deeper.passages}`;
    console.info(`When ${name} (${bound}): ${numbers(found)}`);
    expect(found.violation).toBeUndefined();
  });
});

describe("the search notices a protocol that", () => {
  const mutants: Record<string, { scenario: Scenario; wrong: RegExp }> = {
    "trusts a session for longer than it lives": {
      scenario: {
        before: ownedByA,
        scripts: { a: handles, b: claims },
        mayPause: ["a"],
        passages: 4,
        faults: 0,
        mutation: { trust: 1.5 },
      },
      wrong: /a trusts its session, which has expired/,
    },
    "does not wait long enough without a renewal": {
      scenario: {
        before: ownedByA,
        scripts: { a: rests, b: claimsFromSilent },
        mayPause: ["a"],
        passages: 4,
        faults: 0,
        mutation: { patience: 0.9 },
      },
      wrong: /a was declared dead, and trusts itself/,
    },
    "takes a lease without asking whether its owner lives": {
      scenario: {
        before: ownedByA,
        scripts: { a: handles, b: claims },
        faults: 0,
        mutation: { asksNobody: true },
      },
      wrong: /handlers may start at a in 1 and at b in 2/,
    },
    "goes on starting handlers until its release is answered": {
      scenario: {
        before: ownedByA,
        scripts: { a: handsOver, b: claims },
        faults: 1,
        mutation: { startsWhileReleasing: true },
      },
      wrong: /handlers may start at a in 1 and at b in 2/,
    },
    "seals without a look at the epoch": {
      scenario: {
        before: joined,
        scripts: { a: claims, b: claims },
        faults: 0,
        wrongView: true,
        mutation: { asksNobody: true, leases: blind },
      },
      wrong: /the checkpoint went from epoch 2 back to 1/,
    },
    "looks at the stream before it reads the checkpoint": {
      scenario: {
        before: ownedByA,
        scripts: { a: inTurn(handles, handles), b: claims },
        faults: 0,
        wrongView: true,
        mutation: { asksNobody: true, looksBeforeItReads: true },
      },
      wrong: /the checkpoint went from sequence 2 back to 1/,
    },
    "commits without comparing revisions": {
      scenario: {
        before: ownedByA,
        scripts: { a: handles, b: claims },
        mayPause: ["a"],
        passages: 4,
        faults: 0,
        mutation: { leases: withoutCompare },
      },
      wrong: /the checkpoint went from (epoch 2 back to 1|sequence 1 back to 0)/,
    },
    "takes silence for success": {
      scenario: {
        before: ownedByA,
        scripts: { a: handles, b: claims },
        faults: 1,
        settles: false,
        mutation: { leases: hopeful },
      },
      wrong: /the commit of 1 in epoch 1 was acknowledged, and not written/,
    },
    "takes whatever it finds after a conflict for its own": {
      scenario: {
        before: joined,
        scripts: { a: claims, b: claims },
        faults: 0,
        mutation: { leases: credulous },
      },
      wrong: /handlers may start at a in 1 and at b in 1/,
    },
  };

  test.each(Object.entries(mutants))("%s", { timeout: TIMEOUT_MS }, async (name, mutant) => {
    const found = await explore(() => Run.begin(mutant.scenario), "breadth");
    console.info(`A protocol that ${name}: ${numbers(found)}\n${found.violation}`);
    expect(found.violation).toMatch(mutant.wrong);
  });
});

function numbers({ schedules, states, longest }: Findings): string {
  return `${schedules} schedules of up to ${longest} steps, ${states} states`;
}
