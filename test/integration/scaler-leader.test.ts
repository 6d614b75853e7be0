/** Only one scaler acts. */
import { expect, test } from "vitest";
import { aborted } from "../../src/clock.ts";
import { Leader, leaderKey, openLeaders } from "../../src/scaler/leader.ts";
import { closeAfterTest, eventually, link } from "../support/group.ts";
import { startProxy } from "../support/proxy.ts";
import { describeOnEachServer } from "../support/servers.ts";

const KEY = leaderKey("EVENTS", "WORKERS");
const NEVER = new AbortController().signal;

async function open(url: string): Promise<Leader> {
  const connection = await link(url);
  return new Leader(connection, await openLeaders(connection, 1), KEY);
}

describeOnEachServer("of two scalers of a service", ({ start }) => {
  async function pair(): Promise<[Leader, Leader]> {
    const { url } = await start();
    const leaders = await Promise.all(
      [1, 2].map(async () => {
        const leader = await open(url);
        closeAfterTest(() => leader.end());
        return leader;
      }),
    );
    return leaders as [Leader, Leader];
  }

  test("one leads and the other stands by, until the first one ends", async () => {
    const [first, second] = await pair();
    let stoodBy = 0;
    await first.take(NEVER, () => expect.fail("nobody else is there"));
    const taking = second.take(NEVER, () => stoodBy++);
    await eventually("it stands by", () => stoodBy === 1);
    expect([first.leads, second.leads]).toEqual([true, false]);
    await first.end();
    await taking;
    expect([first.leads, second.leads, stoodBy]).toEqual([false, true, 1]);
  });

  test("the second takes over once the first is cut off for good, and by then that one knows that it does not lead", async () => {
    const { url } = await start();
    const proxy = await startProxy(Number(new URL(url).port));
    closeAfterTest(() => proxy.close());
    const first = await open(proxy.url);
    const second = await open(url);
    closeAfterTest(() => second.end());
    await first.take(NEVER, () => {});
    proxy.blackhole();
    await second.take(NEVER, () => {});
    expect([first.leads, first.lost.aborted, second.leads]).toEqual([false, true, true]);
  }, 40_000);

  test("the first takes its place back after an outage if nobody else has it, and the second does not mistake that", async () => {
    const { url } = await start();
    const proxy = await startProxy(Number(new URL(url).port));
    closeAfterTest(() => proxy.close());
    const first = await open(proxy.url);
    closeAfterTest(() => first.end());
    await first.take(NEVER, () => {});
    proxy.blackhole();
    await aborted(first.lost);
    expect(first.leads).toBe(false);
    proxy.heal();
    await eventually("it leads again", () => first.tryToTake(NEVER).catch(() => false), 30_000);
    expect(first.leads).toBe(true);
    expect(await (await open(url)).tryToTake(NEVER)).toBe(false);
  }, 60_000);

  test("one that is told to stop stands by no longer", async () => {
    const [first, second] = await pair();
    await first.take(NEVER, () => {});
    const stop = new AbortController();
    const taking = second.take(stop.signal, () => stop.abort(new Error("told to stop")));
    await expect(taking).rejects.toThrow("told to stop");
  });
});
