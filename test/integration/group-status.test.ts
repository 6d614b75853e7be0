/** What is told of a group. Its members ack nothing: the checkpoints say how far they are. */
import { expect, test } from "vitest";
import { describeGroup, type GroupStatus } from "../../src/partition/group-status.ts";
import { eventually, GROUP, member, numbered, publish, STREAM } from "../support/group.ts";
import { describeOnEachServer } from "../support/servers.ts";

async function describe(servers: string, sampleMs = 0): Promise<GroupStatus["totals"]> {
  return (await describeGroup({ servers, stream: STREAM, group: GROUP, sampleMs })).totals;
}

describeOnEachServer("the lag of a group", ({ start }) => {
  test("counts what is under way, no less once its owner is gone, and what is handled no more", async () => {
    const { url } = await start();
    const published = await publish(url, numbered(50), 4);
    let waiting = 0;
    const stuck = member(url, { drainTimeoutMs: 0, commit: { intervalMs: 5 } });
    await stuck.run({
      eachMessage: async (_message, { signal }) => {
        if (waiting++ < 10) return;
        await new Promise((resolve) => signal.addEventListener("abort", resolve));
      },
    });
    await eventually("ten are handled", async () => (await describe(url)).lag === 40);
    await stuck.drain();
    expect((await describe(url)).lag).toBe(40);
    let handled = 0;
    await member(url, { commit: { intervalMs: 5 } }).run({ eachMessage: () => void handled++ });
    await eventually("all are committed", async () => (await describe(url)).lag === 0);
    expect(handled).toBe(published.length - 10);
  });
});

describeOnEachServer("the rates of a group", ({ start }) => {
  test.each([
    ["that goes along", true],
    ["that hangs", false],
  ])("tell what comes in, and what is handled by one %s", async (_, goes) => {
    const { url } = await start();
    await publish(url, []);
    const consumer = member(url, { commit: { intervalMs: 5 } });
    await consumer.run({
      eachMessage: async (_message, { signal }) => {
        if (goes) return;
        await new Promise((resolve) => signal.addEventListener("abort", resolve));
      },
    });
    let told: GroupStatus["totals"] | undefined;
    const telling = describe(url, 1_000).then((totals) => (told = totals));
    while (told === undefined) await publish(url, numbered(10));
    const { rateIn, rateOut } = await telling;
    expect([rateIn > 0, rateOut > 0]).toEqual([true, goes]);
  });
});
