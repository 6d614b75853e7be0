/** Messages that are removed from the stream before a group has handled them. */
import { expect, test } from "vitest";
import {
  eventually,
  GROUP,
  link,
  member,
  numbered,
  publish,
  Records,
  STREAM,
} from "../support/group.ts";
import { describeOnEachServer } from "../support/servers.ts";

describeOnEachServer("a group", ({ start }) => {
  test("says how much is gone when messages were removed before they were handled", async () => {
    const { url } = await start();
    const [first, ...rest] = await publish(url, numbered(10), 1);
    expect(first?.sequence).toBe(1);
    const stuck = member(url, { memberId: "stuck", partitions: 1 });
    await stuck.run({
      eachMessage: ({ sequence }) => {
        if (sequence > 2) throw new Error("stuck");
      },
    });
    await eventually("it is stuck", () => stuck.errors.length > 0);
    await stuck.drain();
    const { manager } = await link(url);
    await manager.streams.purge(STREAM, { seq: 6 });
    const gaps: unknown[] = [];
    const records = new Records();
    const next = member(url, { memberId: "next", partitions: 1 });
    next.on("partition:gap", (gap) => gaps.push(gap));
    await next.run({ eachMessage: records.handler("next") });
    await eventually("the rest is handled", () => records.count === 5);
    expect(records.all.map(({ sequence }) => sequence)).toEqual(
      rest.slice(4).map(({ sequence }) => sequence),
    );
    await eventually("the gap is told", () => gaps.length > 0);
    expect(gaps).toEqual([{ partition: 0, epoch: 2, first: 3, last: 5 }]);

    // It is told once.
    await next.drain();
    const last = member(url, { memberId: "last", partitions: 1 });
    last.on("partition:gap", (gap) => gaps.push(gap));
    await last.run({ eachMessage: () => {} });
    await eventually("it owns all", () => last.assignment.length === 1);
    expect(gaps).toHaveLength(1);
  });

  test.each([
    ["that were there when its room was full", 100],
    ["that came once its room was full", 4],
  ])(
    "says how much is gone when messages were removed under a member that lags, %s",
    async (_, at) => {
      const { url } = await start();
      const slow = member(url, { partitions: 1, commit: { window: 2 } });
      const gaps: { first: number; last: number }[] = [];
      slow.on("partition:gap", ({ first, last }) => gaps.push({ first, last }));
      const records = new Records();
      const record = records.handler("slow");
      let wake = (): void => {};
      const asleep = new Promise<void>((resolve) => (wake = resolve));
      await slow.run({
        eachMessage: async (message, context) => {
          await asleep;
          await record(message, context);
        },
      });
      const published = await publish(url, numbered(at), 1);
      const { manager } = await link(url);
      const received = async (): Promise<number> => {
        const info = await manager.consumers.info(STREAM, `${GROUP}-p0-e1`);
        return info.delivered.stream_seq;
      };
      await eventually("it has received what it can hold", async () => (await received()) >= 4);
      const held = await received();
      published.push(...(await publish(url, numbered(100 - at), 1)));
      await manager.streams.purge(STREAM, { seq: 51 });
      await eventually("the gap is told", () => gaps.length > 0);
      expect(gaps).toEqual([{ first: held + 1, last: 50 }]);
      wake();
      await eventually("the rest is handled", () => records.count === held + 50);
      expect(records.all.map(({ sequence }) => sequence)).toEqual(
        published.map(({ sequence }) => sequence).filter((n) => n <= held || n > 50),
      );
    },
  );
});
