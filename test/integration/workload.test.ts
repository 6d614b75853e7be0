/** A member's work on its partitions, on leases that the test claims, loses and releases. */
import PQueue from "p-queue";
import { beforeEach, expect, test } from "vitest";
import { systemClock } from "../../src/clock.ts";
import { createDurable } from "../../src/consumer/delivery/durable.ts";
import { resolveOptions } from "../../src/consumer/options.ts";
import { openResources, type Resources } from "../../src/consumer/resources.ts";
import { Workload } from "../../src/consumer/workload.ts";
import { DocktorError } from "../../src/errors.ts";
import type { Tell } from "../../src/events.ts";
import type { StreamPosition } from "../../src/lease/checkpoint.ts";
import { type ClaimOptions, Lease } from "../../src/lease/lease.ts";
import { leaseKey, parseLease } from "../../src/lease/records.ts";
import type { Expected } from "../../src/partition/ownership.ts";
import { Session } from "../../src/lease/session.ts";
import {
  closeAfterTest,
  eventually,
  GROUP,
  numbered,
  publish,
  STREAM,
  SUBJECT,
} from "../support/group.ts";
import { describeOnEachServer } from "../support/servers.ts";

const reason = new DocktorError("FENCED", "another has it");

let resources: Resources;
let session: Session;
let workload: Workload;
/** The names of the events told. */
let told: string[];
let onTold: () => void;
let handler: () => Promise<void> | void;

/** Opens the work of the only member, on a server of its own. */
async function open(url: string): Promise<void> {
  const settings = resolveOptions({
    servers: url,
    stream: STREAM,
    subject: SUBJECT,
    partitions: 1,
    group: GROUP,
    memberId: "m",
    ensureStream: true,
    session: { ttlMs: 60_000 },
  });
  resources = await openResources(settings, {});
  const { sessions, link } = resources;
  session = await Session.open({
    store: sessions,
    clock: systemClock,
    memberId: "m",
    ttlMs: 60_000,
  });
  closeAfterTest(async () => {
    session.abandon();
    await link.close();
  });
  const tell: Tell = (event, ..._what) => {
    told.push(event);
    onTold();
  };
  workload = new Workload({
    settings,
    resources,
    handlers: { eachMessage: () => handler() },
    tell,
    onInterrupted: () => told.push("interrupted"),
    onCutOff: () => {},
    onError: () => {},
  });
}

async function claim(options: Partial<ClaimOptions> = {}): Promise<Lease> {
  const { leases } = resources;
  const entry = await leases.get(leaseKey(0));
  const seen = entry && {
    record: parseLease(entry.key, entry.value),
    revision: entry.revision,
  };
  const lookAtStream = (): ReturnType<Workload["lookAtStream"]> => workload.lookAtStream();
  return await Lease.claim({
    store: leases,
    session,
    partition: 0,
    seen,
    lookAtStream,
    durableSettings: workload.durableSettings,
    ...options,
  });
}

/** Three messages, the durable that an owner before has prepared, and work that is expected while the lease is claimed. */
async function expectAndClaim(url: string): Promise<{ expected: Expected; lease: Lease }> {
  await publish(url, numbered(3), 1);
  const before = await claim();
  await before.release("m", { prepared: workload.durableSettings });
  await createDurable({
    link: resources.link,
    stream: STREAM,
    workQueue: false,
    subject: SUBJECT,
    group: GROUP,
    partition: 0,
    epoch: 2,
    after: 0,
    maxAckPending: 1_024,
    creations: new PQueue(),
  });
  const expected = workload.expect(0, 2);
  await eventually("its messages are asked for", async () => (await waiting()) === 1);
  return { expected, lease: await claim() };
}

/** How many requests for messages are open. */
async function waiting(): Promise<number> {
  const { consumers } = resources.link.manager;
  return (await consumers.info(STREAM, `${GROUP}-p0-e2`)).num_waiting;
}

async function durables(): Promise<string[]> {
  const all = await resources.link.manager.consumers.list(STREAM).next();
  return all.map(({ name }) => name);
}

beforeEach(() => {
  told = [];
  onTold = () => {};
  handler = () => {};
});

describeOnEachServer("a member's work on a partition", ({ start }) => {
  test("ends with its release", async () => {
    await open((await start()).url);
    const lease = await claim();
    await workload.start(lease);
    expect(workload.leases).toEqual([lease]);
    await workload.finish(lease);
    workload.released(lease, undefined, 0);
    expect([workload.leases, told]).toEqual([[], ["partition:claimed", "partition:released"]]);
  });

  test("does not begin on a lease that is lost already, and nobody is told of it", async () => {
    await open((await start()).url);
    const lease = await claim();
    lease.lose(reason);
    await expect(workload.start(lease)).rejects.toBe(reason);
    expect([workload.leases, told, await durables()]).toEqual([[], [], []]);
  });

  test("leaves no durable behind when the lease is lost while it begins", async () => {
    await open((await start()).url);
    const lease = await claim();
    onTold = () => lease.lose(reason);
    await workload.start(lease);
    expect([told, await durables()]).toEqual([["partition:claimed"], []]);
  });

  test("that was expected begins with what has come, on the durable that is there", async () => {
    const { url } = await start();
    await open(url);
    const { expected, lease } = await expectAndClaim(url);
    let handled = 0;
    handler = () => {
      handled++;
    };
    await expected.start(lease);
    await eventually("all are handled", () => handled === 3);
    expect([told, await durables()]).toEqual([["partition:claimed"], [`${GROUP}-p0-e2`]]);
  });

  test("that was expected begins anew when the connection was cut meanwhile", async () => {
    const { url } = await start();
    await open(url);
    const { expected, lease } = await expectAndClaim(url);
    workload.interrupt();
    expect(told).toEqual([]);
    await expected.start(lease);
    await eventually("it is interrupted", () => told.includes("interrupted"));
    expect(told).toEqual(["partition:claimed", "interrupted"]);
  });

  test("that was expected, and goes on, is interrupted once when the connection is cut", async () => {
    const { url } = await start();
    await open(url);
    const { expected, lease } = await expectAndClaim(url);
    await expected.start(lease);
    told = [];
    workload.interrupt();
    expect(told).toEqual(["interrupted"]);
  });

  test("that was expected in vain leaves nothing open", async () => {
    const { url } = await start();
    await open(url);
    const { expected } = await expectAndClaim(url);
    expected.close();
    await eventually("nothing is asked for", async () => (await waiting()) === 0);
  });

  test("is over after a loss once the last handler has returned, and not before", async () => {
    const { url } = await start();
    await open(url);
    let finish = (): void => {};
    const held = new Promise<void>((resolve) => (finish = resolve));
    let called = false;
    handler = async () => {
      called = true;
      await held;
    };
    const lease = await claim();
    await workload.start(lease);
    await publish(url, numbered(1), 1);
    await eventually("it is being handled", () => called);
    lease.lose(reason);
    workload.abort(lease, reason);
    await workload.lookAtStream();
    expect([workload.leases, told.at(-1)]).toEqual([[lease], "partition:lost"]);
    finish();
    await eventually("it is over", () => workload.leases.length === 0);
  });

  test("goes on when an earlier lease on the partition is heard of again", async () => {
    await open((await start()).url);
    const first = await claim();
    await workload.start(first);
    await workload.finish(first);
    await first.release("m");
    workload.released(first, "m", 0);
    const second = await claim();
    await workload.start(second);
    told = [];
    workload.abort(first, reason);
    await workload.lookAtStream();
    expect([workload.leases, told]).toEqual([[second], []]);
  });
});

describeOnEachServer("a look at a stream that ends before what is known of it", ({ start }) => {
  /** Publishes up to sequence 3; of the looks that follow, so many see only the first message. */
  async function lagging(looks: number): Promise<{ known: StreamPosition; count: () => number }> {
    const { url } = await start();
    await open(url);
    await publish(url, numbered(3), 1);
    const { streams } = resources.link.manager;
    const info = streams.info.bind(streams);
    const { created } = await info(STREAM);
    let count = 0;
    streams.info = async (name) => {
      const seen = await info(name);
      return count++ < looks ? { ...seen, state: { ...seen.state, last_seq: 1 } } : seen;
    };
    return { known: { created, lastSequence: 3 }, count: () => count };
  }

  test("is repeated where the stream has replicas: who leads it now may not have caught up", async () => {
    const { known, count } = await lagging(2);
    resources = Object.assign(resources, { replicas: 3 });
    expect([await workload.lookAtStream(known), count()]).toEqual([known, 3]);
  });

  test("is believed where it has none: it was set back", async () => {
    const { known, count } = await lagging(2);
    const seen = await workload.lookAtStream(known);
    expect([seen.lastSequence, count()]).toEqual([1, 1]);
  });

  test("is believed when it was made anew", async () => {
    const { known, count } = await lagging(2);
    resources = Object.assign(resources, { replicas: 3 });
    const before = { ...known, created: "2020-01-01T00:00:00Z" };
    const seen = await workload.lookAtStream(before);
    expect([seen.lastSequence, count()]).toEqual([1, 1]);
  });
});

describeOnEachServer("preparing for the next owner", ({ start }) => {
  test("succeeds when the stream is as the checkpoint says", async () => {
    await open((await start()).url);
    const lease = await claim();
    await workload.start(lease);
    expect(await workload.prepare(lease)).toBe(true);
    expect(await durables()).toContain(`${GROUP}-p0-e2`);
  });

  test("fails when the stream was made anew since: the next owner has to look", async () => {
    await open((await start()).url);
    const created = "2026-01-01T00:00:00Z";
    const lookAtStream = (): ReturnType<Workload["lookAtStream"]> =>
      Promise.resolve({ created, lastSequence: 0 });
    const lease = await claim({ lookAtStream });
    await workload.start(lease);
    expect(await workload.prepare(lease)).toBe(false);
  });

  test("fails when the stream ends before the checkpoint: it was set back", async () => {
    await open((await start()).url);
    const lease = await claim();
    await workload.start(lease);
    await lease.commit(5);
    expect(await workload.prepare(lease)).toBe(false);
  });

  test("fails when the server does not let it, and is no error", async () => {
    await open((await start()).url);
    const lease = await claim();
    await workload.start(lease);
    await resources.link.manager.streams.delete(STREAM);
    expect(await workload.prepare(lease)).toBe(false);
  });
});
