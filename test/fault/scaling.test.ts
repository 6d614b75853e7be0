/** The three scenarios of a scaled service, with real processes: a backlog, rest, and a burst. Judged by the record. */
import { expect, test } from "vitest";
import { judge } from "../../src/record/oracle.ts";
import { processesWith, temporaryFolder } from "../support/cli.ts";
import { eventually } from "../support/group.ts";
import { Load } from "../support/load.ts";
import { ScaledService } from "../support/scaled-service.ts";
import { describeOnEachServer } from "../support/servers.ts";

const PARTITIONS = 32;
describeOnEachServer("a service that is scaled", ({ start }) => {
  test("grows with a backlog and a burst, shrinks at rest, and loses, repeats and reorders nothing", async () => {
    const { url } = await start();
    const load = await Load.connect(url, { partitions: PARTITIONS, keys: 1_000, rate: 100 });

    // A backlog, and nobody to work it off.
    await load.publish(4_000);
    const service = new ScaledService(url, {}, temporaryFolder(), ["--json"]);
    await eventually("it grows", async () => (await service.size()) >= 3, 30_000);
    await eventually(
      "the backlog is worked off",
      async () => (await service.status()).totals.lag === 0,
      60_000,
    );

    // Rest.
    await eventually("it is back at its minimum", async () => (await service.size()) === 1, 60_000);

    // 100 messages a second, and then 500 for 10 s.
    load.start();
    await eventually("the load flows", () => service.records().length > 4_000 + 800, 30_000);
    const beforeBurst = new Date().toISOString();
    await load.burst({ rate: 500, forMs: 10_000 });
    const afterBurst = new Date().toISOString();
    const during = service.looks.filter(({ ts }) => ts >= beforeBurst && ts <= afterBurst);
    // At the second look at the latest.
    expect(during.slice(0, 2).map(({ decision }) => decision)).toContain("scale_up");
    expect(during.filter(({ decision }) => decision === "scale_down")).toEqual([]);
    await load.end();
    await eventually(
      "all is worked off",
      async () => (await service.status()).totals.lag === 0,
      60_000,
    );
    await eventually("it is back at its minimum", async () => (await service.size()) === 1, 60_000);

    service.scaler.kill("SIGTERM");
    const { code } = await service.scaler.ended;
    expect(code).toBe(0);
    expect((await service.status()).members).toEqual([]);
    expect(processesWith(service.folder)).toEqual([]);
    const verdict = judge(load.published, service.records());
    expect(verdict).toMatchObject({ lost: 0, duplicated: 0, outOfOrder: 0, sharedEpochs: 0 });
  }, 240_000);
});
