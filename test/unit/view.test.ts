import { expect, test, vi } from "vitest";
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
function scripted(...scripts: Entry[][]): Pick<Store, "watch"> {
  return {
    watch: async function* (_filter, signal) {
      yield* scripts.shift() ?? [];
      await new Promise((resolve) => signal.addEventListener("abort", resolve));
    },
  };
}

test("a watch opened anew is not acted on before it has shown the roster", async () => {
  // Meanwhile c joined and claimed, and then d joined: the replay shows the newest of each key.
  const before = [roster(1, "a", "b")];
  const replay = [lease(20, 0, "c"), lease(21, 1, "c"), roster(30, "a", "c", "d")];
  const orphansSeen: number[] = [];
  const view: GroupView = new GroupView({
    store: scripted(before, replay) as Store,
    clock: new ManualClock(),
    onChange: () => {
      for (const partition of [0, 1]) {
        const record = view.lease(partition)?.record;
        if (record?.owner !== undefined && !view.has(record.owner, record.incarnation)) {
          orphansSeen.push(partition);
        }
      }
    },
    onError: (error) => expect.fail(error.message),
  });
  view.start();
  await vi.waitFor(() => expect(view.rosterRevision).toBe(1));
  view.refresh();
  expect(view.current).toBe(false);
  await vi.waitFor(() => expect(view.rosterRevision).toBe(30));
  expect(view.current).toBe(true);
  expect(orphansSeen).toEqual([]);
  await view.stop();
});
