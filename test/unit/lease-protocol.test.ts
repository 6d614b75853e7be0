/** The protocol's steps over the store in memory, with time and faults in the test's hands. */
import { beforeEach, describe, expect, test } from "vitest";
import { DocktorError } from "../../src/errors.ts";
import { Checkpoint, type StreamPosition } from "../../src/lease/checkpoint.ts";
import { Lease, type LeaseEntry } from "../../src/lease/lease.ts";
import { MemoryStore } from "../support/memory-store.ts";
import { checkpointKey, leaseKey, parseLease } from "../../src/lease/records.ts";
import { Session } from "../../src/lease/session.ts";
import { ManualClock } from "../support/clock.ts";

const TTL = 3_000;
const STREAM = "2026-01-01T00:00:00Z";
const streamAt =
  (created: string, lastSequence = 1_000_000) =>
  (): Promise<StreamPosition> =>
    Promise.resolve({ created, lastSequence });
const lookAtStream = streamAt(STREAM);
const code = (value: string): unknown => expect.objectContaining({ code: value });

/** Of the durables that all of them make. */
const SETTINGS = "all 512";

let clock: ManualClock;
let sessions: MemoryStore;
let leases: MemoryStore;

beforeEach(() => {
  clock = new ManualClock();
  sessions = new MemoryStore(clock, TTL);
  leases = new MemoryStore(clock);
});

async function join(memberId: string): Promise<Session> {
  return await Session.open({ store: sessions, clock, memberId, ttlMs: TTL });
}

async function seen(partition: number): Promise<LeaseEntry | undefined> {
  const entry = await leases.get(leaseKey(partition));
  return entry && { record: parseLease(entry.key, entry.value), revision: entry.revision };
}

async function claim(session: Session, partition = 0, stream = STREAM): Promise<Lease> {
  return await Lease.claim({
    store: leases,
    session,
    partition,
    seen: await seen(partition),
    lookAtStream: streamAt(stream),
    durableSettings: SETTINGS,
  });
}

describe("a claim", () => {
  test("begins with epoch 1 and counts up with every owner", async () => {
    const [a, b] = [await join("a"), await join("b")];
    const first = await claim(a);
    await first.release("b");
    const second = await claim(b);
    expect([first.epoch, second.epoch]).toEqual([1, 2]);
    await Promise.all([a.end(), b.end()]);
  });

  test("of several members at once succeeds for one", async () => {
    const members = await Promise.all(["a", "b", "c"].map((id) => join(id)));
    const free = await seen(0);
    const outcomes = await Promise.allSettled(
      members.map((session) =>
        Lease.claim({
          store: leases,
          session,
          partition: 0,
          seen: free,
          lookAtStream,
          durableSettings: SETTINGS,
        }),
      ),
    );
    expect(outcomes.filter(({ status }) => status === "fulfilled")).toHaveLength(1);
    await Promise.all(members.map((member) => member.end()));
  });

  test("by a member whose session ran out meanwhile yields nothing", async () => {
    const session = await join("a");
    const write = leases.write.bind(leases);
    leases.write = async (...args) => {
      const revision = await write(...args);
      clock.freeze(TTL);
      return revision;
    };
    await expect(claim(session)).rejects.toEqual(code("SESSION_LOST"));
    session.abandon();
  });

  test("that is overtaken before its seal yields nothing", async () => {
    const [slow, fast] = [await join("slow"), await join("fast")];
    const write = leases.write.bind(leases);
    let overtaken: Promise<Lease> | undefined;
    leases.write = async (key, value, expected) => {
      const revision = await write(key, value, expected);
      leases.write = write;
      if (key === leaseKey(0)) overtaken = claim(fast);
      await overtaken;
      return revision;
    };
    await expect(claim(slow)).rejects.toEqual(code("FENCED"));
    expect((await overtaken)?.epoch).toBe(2);
    await Promise.all([slow.end(), fast.end()]);
  });

  test("starts where the owner before had committed", async () => {
    const [a, b] = [await join("a"), await join("b")];
    const first = await claim(a);
    await first.commit(41);
    await first.release("b");
    expect((await claim(b)).checkpoint.sequence).toBe(41);
    await Promise.all([a.end(), b.end()]);
  });

  test("starts anew on another stream of the same name", async () => {
    const session = await join("a");
    const first = await claim(session);
    await first.commit(41);
    await first.release("a");
    const second = await claim(session, 0, "2026-02-02T00:00:00Z");
    expect(second.checkpoint.sequence).toBe(0);
    expect(second.checkpoint.previous?.sequence).toBe(41);
    await session.end();
  });

  test("goes back with a stream that was set back", async () => {
    const session = await join("a");
    const first = await claim(session);
    await first.commit(41);
    await first.release("a");
    const second = await Lease.claim({
      store: leases,
      session,
      partition: 0,
      seen: await seen(0),
      lookAtStream: streamAt(STREAM, 17),
      durableSettings: SETTINGS,
    });
    expect(second.checkpoint.sequence).toBe(17);
    expect(second.checkpoint.previous?.sequence).toBe(41);
    await session.end();
  });

  test("looks at the stream only after it has read what was committed", async () => {
    const session = await join("a");
    const first = await claim(session);
    await first.commit(41);
    await first.release("a");
    let read = false;
    const get = leases.get.bind(leases);
    leases.get = async (key) => {
      const entry = await get(key);
      read ||= key === checkpointKey(0);
      return entry;
    };
    const readBeforeLook: boolean[] = [];
    const look = (): Promise<StreamPosition> => {
      readBeforeLook.push(read);
      return lookAtStream();
    };
    const free = await seen(0);
    await Lease.claim({
      store: leases,
      session,
      partition: 0,
      seen: free,
      lookAtStream: look,
      durableSettings: SETTINGS,
    });
    expect(readBeforeLook).toEqual([true]);
    await session.end();
  });

  test("takes the word of an owner who has prepared the next epoch, and of no other", async () => {
    const [a, b] = [await join("a"), await join("b")];
    const nobodyLooks = (): Promise<StreamPosition> => Promise.reject(new Error("looked"));
    const claimBlindly = async (session: Session): Promise<Lease> =>
      await Lease.claim({
        store: leases,
        session,
        partition: 0,
        seen: await seen(0),
        lookAtStream: nobodyLooks,
        durableSettings: SETTINGS,
      });
    const first = await claim(a);
    await first.commit(41);
    await first.release("b", { prepared: SETTINGS });
    const second = await claimBlindly(b);
    expect([second.prepared, second.checkpoint.sequence]).toEqual([true, 41]);
    expect(second.checkpoint.created).toBe(STREAM);
    await second.release("a");
    await expect(claimBlindly(a)).rejects.toThrow("looked");
    // One that was made for other settings is not used, and so vouches for nothing.
    await (await claim(b)).release("a", { prepared: "explicit 512" });
    await expect(claimBlindly(a)).rejects.toThrow("looked");
    await Promise.all([a.end(), b.end()]);
  });
});

describe("a member that gave a partition up for a stall", () => {
  test("is remembered by the owners after it, and forgotten once it takes the partition itself", async () => {
    const [a, b] = [await join("a"), await join("b")];
    const shunned = async (): Promise<unknown> => (await seen(0))?.record.shunnedBy;
    await (await claim(a)).release("b", { shunnedBy: "a" });
    await claim(b);
    expect(await shunned()).toBe("a");
    await claim(a);
    expect(await shunned()).toBeUndefined();
    await Promise.all([a.end(), b.end()]);
  });
});

describe("a commit", () => {
  test("of an owner that was replaced writes nothing", async () => {
    const [a, b] = [await join("a"), await join("b")];
    const old = await claim(a);
    await old.commit(5);
    const fresh = await claim(b);
    await expect(old.commit(9)).rejects.toEqual(code("FENCED"));
    expect(old.lost.aborted).toBe(true);
    expect((await leases.get(checkpointKey(0)))?.value).toMatchObject({ epoch: 2, sequence: 5 });
    await fresh.commit(6);
    await Promise.all([a.end(), b.end()]);
  });

  test("that lands just before the seal is seen by the new owner", async () => {
    const [a, b] = [await join("a"), await join("b")];
    const old = await claim(a);
    const get = leases.get.bind(leases);
    leases.get = async (key) => {
      const entry = await get(key);
      leases.get = get;
      // Between the new owner's read and its seal.
      if (key === checkpointKey(0)) await old.commit(7);
      return entry;
    };
    const entry = await get(leaseKey(0));
    const before = entry && {
      record: parseLease(entry.key, entry.value),
      revision: entry.revision,
    };
    const fresh = await Lease.claim({
      store: leases,
      session: b,
      partition: 0,
      seen: before,
      lookAtStream,
      durableSettings: SETTINGS,
    });
    expect(fresh.checkpoint.sequence).toBe(7);
    await Promise.all([a.end(), b.end()]);
  });

  test("is not even sent once the session may have expired", async () => {
    const session = await join("a");
    const lease = await claim(session);
    clock.freeze(TTL);
    await expect(lease.commit(3)).rejects.toEqual(code("SESSION_LOST"));
    expect((await leases.get(checkpointKey(0)))?.value).toMatchObject({ sequence: 0 });
    session.abandon();
  });

  test("of a lease that is lost is not sent, although the session holds", async () => {
    const session = await join("a");
    const lease = await claim(session);
    const reason = new DocktorError("FENCED", "another has it");
    lease.lose(reason);
    expect([session.trusted(), lease.trusted()]).toEqual([true, false]);
    await expect(lease.commit(3)).rejects.toBe(reason);
    expect((await leases.get(checkpointKey(0)))?.value).toMatchObject({ sequence: 0 });
    await session.end();
  });

  test("whose answer was lost does not fence its own successor", async () => {
    const checkpoint = await Checkpoint.seal({
      store: leases,
      partition: 0,
      epoch: 1,
      lookAtStream,
    });
    const write = leases.write.bind(leases);
    leases.write = async (...args) => {
      leases.write = write;
      await write(...args);
      throw new DocktorError("TIMEOUT", "the answer was lost");
    };
    await expect(checkpoint.commit(3)).rejects.toEqual(code("TIMEOUT"));
    await checkpoint.commit(5);
    expect((await leases.get(checkpointKey(0)))?.value).toMatchObject({ epoch: 1, sequence: 5 });
  });
});

describe("a release", () => {
  test("frees the partition for the next owner", async () => {
    const session = await join("a");
    const lease = await claim(session);
    await lease.release("b");
    expect((await seen(0))?.record).toEqual({ epoch: 1, next: "b" });
    await session.end();
  });

  test("of a partition that was taken meanwhile changes nothing", async () => {
    const [a, b] = [await join("a"), await join("b")];
    const old = await claim(a);
    await claim(b);
    await expect(old.release("c")).rejects.toEqual(code("FENCED"));
    expect((await seen(0))?.record).toMatchObject({ epoch: 2, owner: "b" });
    await Promise.all([a.end(), b.end()]);
  });
});
