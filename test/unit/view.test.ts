import { expect, test, vi } from "vitest";
import { DocktorError } from "../../src/errors.ts";
import type { Entry, Store } from "../../src/lease/store.ts";
import { GroupView } from "../../src/lease/view.ts";
import { ManualClock } from "../support/clock.ts";

const identity = { stream: "S", subject: "s", group: "G", ttlMs: 1_000 };

function roster(revision: number, ...ids: string[]): Entry {
  const members = Object.fromEntries(
    ids.map((id) => [id, { incarnation: id, state: "active", startedAt: 0 }]),
  );
  return { key: "lease.roster", value: { ...identity, members }, revision };
}

function lease(revision: number, partition: number, owner: string): Entry {
  return { key: `lease.${partition}`, value: { epoch: 1, owner, incarnation: owner }, revision };
}

/** A store whose watches show one script after the other. */
function scripted(...scripts: (Entry | Error)[][]): Pick<Store, "watch" | "newest"> {
  return {
    newest: () => Promise.resolve(0),
    watch: async function* (_filter, signal) {
      for (const entry of scripts.shift() ?? []) {
        if (entry instanceof Error) throw entry;
        yield entry;
      }
      await new Promise((resolve) => signal.addEventListener("abort", resolve));
    },
  };
}

test.each([
  ["after a reconnect", [], (view: GroupView) => view.refresh()],
  ["after it broke", [new Error("broken")], () => {}],
])("a watch opened anew %s is not acted on before it has shown the roster", async (...args) => {
  const [, end, reopen] = args;
  // Meanwhile c joined and claimed, and then d joined: the replay shows the newest of each key.
  const before = [roster(1, "a", "b"), ...end];
  const replay = [lease(20, 0, "c"), lease(21, 1, "c"), roster(30, "a", "c", "d")];
  const clock = new ManualClock();
  const orphansSeen: number[] = [];
  const view: GroupView = new GroupView({
    store: scripted(before, replay) as Store,
    clock,
    onChange: () => {
      for (const partition of [0, 1]) {
        const record = view.lease(partition)?.record;
        if (record?.owner !== undefined && !view.has(record.owner, record.incarnation)) {
          orphansSeen.push(partition);
        }
      }
    },
    onError: (error) => expect(end).toContain(error.cause),
  });
  view.start();
  await clock.advance(0);
  expect(view.rosterRevision).toBe(1);
  reopen(view);
  await clock.advance(250);
  expect([view.rosterRevision, view.current]).toEqual([30, true]);
  expect(orphansSeen).toEqual([]);
  await view.stop();
});

test("a watch opened anew on a server that lags behind does not take the view back", async () => {
  const now = [roster(10, "a", "b"), lease(20, 0, "b"), lease(25, 1, "b")];
  const earlier = [lease(3, 0, "a"), roster(4, "a")];
  let changes = 0;
  const view = new GroupView({
    store: scripted(now, earlier) as Store,
    clock: new ManualClock(),
    onChange: () => changes++,
    onError: (error) => expect.fail(error.message),
  });
  view.start();
  await vi.waitFor(() => expect(view.revision).toBe(25));
  view.refresh();
  await vi.waitFor(() => expect(view.current).toBe(true));
  expect([view.rosterRevision, Object.keys(view.members)]).toEqual([10, ["a", "b"]]);
  expect([view.lease(0)?.record.owner, view.revision]).toEqual(["b", 25]);
  // It is current again: what was held back meanwhile must be looked at.
  expect(changes).toBe(4);
  await view.stop();
});

test("a lease that was deleted is as if it had never been", async () => {
  const deleted = { key: "lease.0", value: undefined, revision: 3 };
  const view = new GroupView({
    store: scripted([roster(1, "a"), lease(2, 0, "a"), deleted]) as Store,
    clock: new ManualClock(),
    onChange: () => {},
    onError: (error) => expect.fail(error.message),
  });
  view.start();
  await vi.waitFor(() => expect(view.revision).toBe(3));
  expect(view.lease(0)).toBeUndefined();
  await view.stop();
});

test.each([
  ["silence", new DocktorError("TIMEOUT", "no answer"), 2],
  ["something unforeseen", new Error("who knows"), 2],
  ["a deleted bucket", new DocktorError("STREAM_NOT_FOUND", "the bucket was deleted"), 0],
])("a watch that breaks by %s is told, and opened again where that can help", async (...args) => {
  const [, broken, seen] = args;
  const clock = new ManualClock();
  const errors: unknown[] = [];
  const view = new GroupView({
    store: scripted([broken], [roster(2, "a")]) as Store,
    clock,
    onChange: () => {},
    onError: (error) => errors.push(error.cause ?? error),
  });
  view.start();
  await clock.advance(249);
  expect([errors, view.rosterRevision]).toEqual([[broken], 0]);
  await clock.advance(1);
  expect(view.rosterRevision).toBe(seen);
  await view.stop();
});

/** Begins to follow the group, with a look each second. */
function lookingEachSecond(store: Partial<Store>, clock: ManualClock): GroupView {
  const view = new GroupView({
    store: store as Store,
    clock,
    lookMs: 1_000,
    onChange: () => {},
    onError: (error) => expect.fail(error.message),
  });
  view.start();
  return view;
}

test("a watch that ends without a word is opened anew once it lags behind", async () => {
  const clock = new ManualClock();
  let newest = 2;
  const store = {
    ...scripted([roster(1, "a"), lease(2, 0, "a")], [lease(2, 0, "a"), roster(3, "a", "b")]),
    newest: () => Promise.resolve(newest),
  };
  const view = lookingEachSecond(store, clock);
  await clock.advance(2_500);
  expect([view.revision, view.rosterRevision]).toEqual([2, 1]);
  newest = 3;
  // It may be on its way: it is missing only when it has not come by the next look.
  await clock.advance(1_000);
  expect(view.rosterRevision).toBe(1);
  await clock.advance(1_000);
  expect(Object.keys(view.members)).toEqual(["a", "b"]);
  await view.stop();
});

test("it is looked for what the watch has missed 20 times a second by all members, however many there are", async () => {
  const clock = new ManualClock();
  const ids = Array.from({ length: 64 }, (_, i) => `m${i}`);
  let looks = 0;
  const store = {
    ...scripted([roster(1, ...ids)]),
    newest: async () => {
      looks++;
      return 1;
    },
  };
  const view = lookingEachSecond(store, clock);
  await clock.advance(33_000);
  expect(looks).toBeGreaterThan(8);
  expect(looks).toBeLessThanOrEqual(12);
  await view.stop();
});
