/** Changes to the roster, over the store in memory. */
import { beforeEach, describe, expect, test } from "vitest";
import { parseRoster, type Roster, type RosterMember } from "../../src/lease/records.ts";
import {
  changeRoster,
  endLife,
  readRoster,
  withMember,
  withoutMember,
} from "../../src/lease/roster.ts";
import { ManualClock } from "../support/clock.ts";
import { MemoryStore } from "../support/memory-store.ts";

const identity = { stream: "S", subject: "s", group: "G" };
const nobody: Roster = { ...identity, ttlMs: 1_000, members: {} };

let store: MemoryStore;

beforeEach(() => {
  store = new MemoryStore(new ManualClock());
});

const life = (incarnation: string): RosterMember => ({
  incarnation,
  state: "active",
  startedAt: 0,
});

const enter = (id: string, incarnation: string): Promise<number> =>
  changeRoster(store, identity, (roster) => withMember(roster ?? nobody, id, life(incarnation)));

const members = async (): Promise<unknown> => (await readRoster(store, identity))?.roster.members;

describe("a change of the roster", () => {
  test("is not lost when others change it at the same time", async () => {
    await Promise.all(["a", "b", "c"].map((id) => enter(id, `a life of ${id}`)));
    expect(Object.keys((await members()) as object).sort()).toEqual(["a", "b", "c"]);
  });

  test("that turns out not to be needed writes nothing, and returns the revision as it is", async () => {
    const revision = await enter("a", "a life");
    expect(await changeRoster(store, identity, () => undefined)).toBe(revision);
    expect((await readRoster(store, identity))?.revision).toBe(revision);
  });

  test("that removes one life of a member leaves another life of it, and other members, alone", async () => {
    await enter("a", "a later life");
    await enter("b", "a life of b");
    const remove = (incarnation: string): Promise<number> =>
      changeRoster(store, identity, (roster) => withoutMember(roster, "a", incarnation));
    await remove("an earlier life");
    expect(await members()).toEqual({ a: life("a later life"), b: life("a life of b") });
    await remove("a later life");
    expect(await members()).toEqual({ b: life("a life of b") });
  });
});

describe("the end of a life", () => {
  const restartable = { ...life("a life"), restartDelayMs: 1 };
  const after = (member: RosterMember, incarnation = "a life"): unknown =>
    endLife(withMember(nobody, "a", member), "a", incarnation)?.members;

  test("takes the member off the roster, or keeps its place when it may be restarted", () => {
    expect(after(life("a life"))).toEqual({});
    expect(after(restartable)).toEqual({ a: { ...restartable, state: "restarting" } });
    expect(after({ ...restartable, state: "draining" })).toEqual({});
  });

  test("changes nothing when its place is kept already, or another life has it", () => {
    expect(after({ ...restartable, state: "restarting" })).toBeUndefined();
    expect(after(restartable, "an earlier life")).toBeUndefined();
    expect(endLife(undefined, "a", "a life")).toBeUndefined();
  });
});

test.each([
  ["in a state that there is not", { state: "gone" }],
  ["with a delay below 0", { restartDelayMs: -1 }],
])("a roster with a member %s is not one of docktor's", (_what, wrong) => {
  const roster = withMember(nobody, "a", { ...life("a life"), restartDelayMs: 0 });
  expect(parseRoster(roster)).toEqual(roster);
  const members = { a: { ...roster.members["a"], ...wrong } };
  const refused = expect.objectContaining({ code: "RECORD_INVALID" });
  expect(() => parseRoster({ ...roster, members })).toThrow(refused);
});

test.each([
  ["stream", { stream: "OTHER" }],
  ["subject", { subject: "other" }],
  ["group", { group: "OTHER" }],
])("the roster of another %s is refused", async (_, other) => {
  await enter("a", "a life");
  await expect(readRoster(store, { ...identity, ...other })).rejects.toMatchObject({
    code: "GROUP_MISMATCH",
  });
});
