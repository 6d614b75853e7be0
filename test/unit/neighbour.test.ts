/** How a member finds out that the next one on the roster has crashed. */
import { afterEach, beforeEach, describe, expect, test } from "vitest";
import { DocktorError } from "../../src/errors.ts";
import { NeighbourWatch } from "../../src/lease/neighbour.ts";
import type { RosterMember } from "../../src/lease/records.ts";
import { changeRoster, type Members, readRoster, withMember } from "../../src/lease/roster.ts";
import { declareDead, Session } from "../../src/lease/session.ts";
import type { Entry } from "../../src/lease/store.ts";
import { ManualClock } from "../support/clock.ts";
import { MemoryStore } from "../support/memory-store.ts";

const TTL = 3_000;
const RENEWAL = TTL / 3;
const identity = { stream: "S", subject: "s", group: "G" };

/** A store whose watches can be made deaf. */
class DeafStore extends MemoryStore {
  deaf = false;
  watches = 0;
  /** How many of its next watches end without a word after what there is. */
  broken = 0;

  override async *watch(filter: string, signal: AbortSignal): AsyncIterable<Entry> {
    this.watches++;
    for await (const entry of super.watch(filter, signal)) {
      if (!this.deaf) yield entry;
      if (this.broken > 0) return void this.broken--;
    }
  }
}

let clock: ManualClock;
let sessions: DeafStore;
let leases: MemoryStore;
let errors: unknown[];
let ends: (() => void)[];

beforeEach(() => {
  clock = new ManualClock();
  // The server is late to expire a record: so late that only the neighbour can be the one to notice.
  sessions = new DeafStore(clock, 100 * TTL);
  leases = new MemoryStore(clock);
  [errors, ends] = [[], []];
});

afterEach(() => {
  for (const end of ends) end();
});

async function join(memberId: string, more: Partial<RosterMember> = {}): Promise<Session> {
  const session = await Session.open({ store: sessions, clock, memberId, ttlMs: TTL });
  ends.push(() => session.abandon());
  const { incarnation } = session;
  await changeRoster(leases, identity, (roster) =>
    withMember({ ...identity, members: {}, ...roster, ttlMs: TTL }, memberId, {
      incarnation,
      state: "active",
      startedAt: 0,
      ...more,
    }),
  );
  return session;
}

async function members(): Promise<Members> {
  return (await readRoster(leases, identity))?.roster.members ?? {};
}

async function roster(): Promise<string[]> {
  return Object.keys(await members()).sort();
}

async function watchAs(session: Session): Promise<NeighbourWatch> {
  const watch = new NeighbourWatch({
    clock,
    identity,
    sessions,
    leases,
    session,
    onError: (error) => errors.push(error),
  });
  ends.push(() => watch.stop());
  watch.follow(await members());
  return watch;
}

describe("a neighbour that has crashed", () => {
  test("is off the roster 95 % of a TTL after its last renewal, and no earlier, whatever the server does", async () => {
    const [a, b] = [await join("a"), await join("b")];
    await watchAs(a);
    await clock.advance(2 * RENEWAL);
    b.abandon();
    await clock.advance(0.95 * TTL - 1);
    expect(await roster()).toEqual(["a", "b"]);
    await clock.advance(1);
    expect(await roster()).toEqual(["a"]);
    expect(errors).toEqual([]);
  });

  test("is off the roster just as soon when its record has expired in that moment", async () => {
    // The server's clock runs ahead.
    sessions = new DeafStore(clock, 0.94 * TTL);
    const [a, b] = [await join("a"), await join("b")];
    await watchAs(a);
    await clock.advance(2 * RENEWAL);
    b.abandon();
    await clock.advance(0.95 * TTL);
    expect(await roster()).toEqual(["a"]);
    expect(errors).toEqual([]);
  });

  test("cannot renew its session any more, should it only have been asleep", async () => {
    const [a, b] = [await join("a"), await join("b")];
    await watchAs(a);
    const { revision = 0 } = (await sessions.get("b")) ?? {};
    b.abandon();
    await clock.advance(TTL);
    const renewal = sessions.write("b", { incarnation: b.incarnation }, revision);
    await expect(renewal).rejects.toMatchObject({ code: "CONFLICT" });
  });

  test("is off the roster as soon as that is answered, although its record is marked already", async () => {
    const [a, b] = [await join("a"), await join("b")];
    await watchAs(a);
    b.abandon();
    const write = leases.write.bind(leases);
    const silence = new DocktorError("TIMEOUT", "no answer");
    leases.write = () => Promise.reject(silence);
    await clock.advance(TTL + 500);
    expect(await roster()).toEqual(["a", "b"]);
    expect(new Set(errors)).toEqual(new Set([silence]));
    leases.write = write;
    await clock.advance(250);
    expect(await roster()).toEqual(["a"]);
  });

  test("is found in time although the watch over it broke: it is opened again at once", async () => {
    const [a, b] = [await join("a"), await join("b")];
    sessions.broken = 3;
    await watchAs(a);
    await clock.advance(2 * RENEWAL);
    expect(sessions.watches).toBe(4);
    b.abandon();
    await clock.advance(TTL);
    expect(await roster()).toEqual(["a"]);
    expect(errors).toEqual([]);
  });

  test("is taken off the roster also when the one that declared it dead did not come to that", async () => {
    const [a, b] = [await join("a"), await join("b")];
    await watchAs(a);
    await clock.advance(RENEWAL);
    b.abandon();
    const { revision = 0 } = (await sessions.get("b")) ?? {};
    expect(await declareDead(sessions, "b", b.incarnation, revision)).toBe(true);
    await clock.advance(0);
    expect(await roster()).toEqual(["a"]);
    expect(errors).toEqual([]);
  });

  test("is only taken for away when it is expected to be restarted", async () => {
    const [a, b] = [await join("a"), await join("b", { restartDelayMs: 60_000 })];
    await watchAs(a);
    b.abandon();
    await clock.advance(TTL);
    expect((await members())["b"]).toMatchObject({ state: "restarting" });
  });

  test("leaves its place to the one behind it", async () => {
    const [a, b, c] = [await join("a"), await join("b"), await join("c")];
    const watch = await watchAs(a);
    b.abandon();
    await clock.advance(TTL);
    expect(await roster()).toEqual(["a", "c"]);
    watch.follow(await members());
    await clock.advance(TTL);
    c.abandon();
    await clock.advance(TTL);
    expect(await roster()).toEqual(["a"]);
  });

  test("is left alone by a member that may have been forgotten itself", async () => {
    const [a, b] = [await join("a"), await join("b")];
    await watchAs(a);
    await clock.advance(RENEWAL);
    for (const each of [a, b]) each.abandon();
    await clock.advance(2 * TTL);
    expect(await roster()).toEqual(["a", "b"]);
  });
});

describe("a neighbour that lives", () => {
  test("is left alone", async () => {
    await join("b");
    await watchAs(await join("a"));
    await clock.advance(10 * TTL);
    expect(await roster()).toEqual(["a", "b"]);
    expect(sessions.watches).toBe(1);
  });

  test("is left alone also when its renewals are not seen, and seen again through a new watch", async () => {
    const [a, b] = [await join("a"), await join("b")];
    await watchAs(a);
    await clock.advance(RENEWAL);
    sessions.deaf = true;
    await clock.advance(TTL + RENEWAL);
    expect(await roster()).toEqual(["a", "b"]);
    sessions.deaf = false;
    await clock.advance(2 * RENEWAL);
    expect(sessions.watches).toBe(2);
    b.abandon();
    await clock.advance(TTL);
    expect(await roster()).toEqual(["a"]);
    expect(errors).toEqual([]);
  });

  test("is left alone when it has come back as another life", async () => {
    const [a, before] = [await join("a"), await join("b")];
    await watchAs(a);
    before.abandon();
    const { memberId, incarnation: previous } = before;
    const after = await Session.open({ store: sessions, clock, memberId, ttlMs: TTL, previous });
    ends.push(() => after.abandon());
    await clock.advance(3 * TTL);
    expect(await roster()).toEqual(["a", "b"]);
    after.abandon();
    await clock.advance(2 * TTL);
    const record = (await sessions.get("b"))?.value;
    expect(record).toMatchObject({ incarnation: after.incarnation, renewal: expect.any(Number) });
  });

  test("is left alone after it has ended its session in good order", async () => {
    const [a, b] = [await join("a"), await join("b")];
    await watchAs(a);
    await b.end();
    await clock.advance(3 * TTL);
    expect(await sessions.get("b")).toBeUndefined();
    // It takes itself off.
    expect(await roster()).toEqual(["a", "b"]);
  });
});

describe("whom a member watches over", () => {
  test.each([
    ["a", "b"],
    ["b", "c"],
    ["c", "a"],
  ])("%s watches over %s, and so each over one", async (observer, neighbour) => {
    const all = [await join("a"), await join("b"), await join("c")];
    const session = all.find(({ memberId }) => memberId === observer) ?? expect.fail();
    await watchAs(session);
    for (const each of all) if (each !== session) each.abandon();
    await clock.advance(TTL);
    expect(await roster()).toEqual(["a", "b", "c"].filter((id) => id !== neighbour));
  });

  test("is not one that is away to be restarted", async () => {
    await join("b", { state: "restarting", restartDelayMs: 60_000 });
    const [a, c] = [await join("a"), await join("c")];
    await watchAs(a);
    c.abandon();
    await clock.advance(TTL);
    expect(await roster()).toEqual(["a", "b"]);
  });

  test("is nobody when it is alone, and nobody after it has stopped", async () => {
    const a = await join("a");
    const watch = await watchAs(a);
    expect(sessions.watches).toBe(0);
    const b = await join("b");
    watch.follow(await members());
    watch.stop();
    b.abandon();
    await clock.advance(2 * TTL);
    expect(await roster()).toEqual(["a", "b"]);
  });
});
