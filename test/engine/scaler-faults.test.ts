/** What becomes of a service of containers when its scaler, the engine, its image or the program in it fails. */
import { expect, test } from "vitest";
import { judge } from "../../src/record/oracle.ts";
import { describeOnEngine } from "../support/engine.ts";
import { closeAfterTest, eventually } from "../support/group.ts";
import { Load } from "../support/load.ts";
import { ScaledContainers } from "../support/scaled-containers.ts";
import { describeOnSystemsServer } from "../support/servers.ts";

const CREATE = /^POST .*\/create\b/;
const START = /^POST .*\/start\b/;
const STOP = /^POST .*\/stop\b/;

await describeOnEngine("a service of containers", (engine) => {
  describeOnSystemsServer("that is scaled", ({ start }) => {
    async function loadOf(url: string, messages: number): Promise<Load> {
      const load = await Load.connect(url, { partitions: 32, keys: 1_000, rate: 100 });
      await load.publish(messages);
      return load;
    }

    /** One container is left, nothing else was touched, and each message was handled once and in order. */
    async function expectRecovered(scaled: ScaledContainers, load: Load): Promise<void> {
      await scaled.workedOff();
      await scaled.settled(1);
      expect(await scaled.meddling()).toEqual([]);
      const verdict = judge(load.published, scaled.service.records());
      expect(verdict).toMatchObject({ lost: 0, duplicated: 0, outOfOrder: 0, sharedEpochs: 0 });
    }

    test("is grown further by the next scaler when one is killed half-way, with the containers that it has left", async () => {
      const { url } = await start();
      const load = await loadOf(url, 6_000);
      const scaled = await ScaledContainers.start(engine, url);
      const { wire, service } = scaled;
      // Three are made, and the second is not started any more.
      await wire.holdAt(START, 2);
      await scaled.kill();
      await wire.mend();
      expect(await scaled.containers()).toHaveLength(4);
      expect(await service.size()).toBeLessThan(4);

      scaled.watch();
      await eventually(
        "all four are members",
        async () => (await service.size()) === 4,
        60_000,
        250,
      );
      expect(wire.count(CREATE)).toBe(3);
      await expectRecovered(scaled, load);
    }, 200_000);

    test("is back at its minimum when its scaler is killed before it could stop what has left the group", async () => {
      const { url } = await start();
      const load = await loadOf(url, 1_500);
      const scaled = await ScaledContainers.start(engine, url, { max_replicas: 2 });
      const { wire, service } = scaled;
      await wire.holdAt(STOP);
      await scaled.kill();
      await wire.mend();
      expect(await service.size()).toBe(1);
      expect(await scaled.containers()).toHaveLength(2);

      scaled.watch();
      await service.scaler.says("leading", 30_000);
      await expectRecovered(scaled, load);
    }, 200_000);

    test("stays as it is while the engine is gone, and goes on where it was when that is back", async () => {
      const { url } = await start();
      const load = await loadOf(url, 6_000);
      const scaled = await ScaledContainers.start(engine, url);
      const { wire, service } = scaled;
      const holds = (): boolean => {
        const { decision, reason = "" } = service.decisions.at(-1) ?? {};
        return decision === "hold" && reason.includes(`no Docker engine answers at ${wire.socket}`);
      };
      // While it grows.
      await wire.holdAt(START, 2);
      await wire.cut();
      await eventually("it holds", holds);
      await service.scaler.says(`no Docker engine answers at ${wire.socket}`);
      const handled = service.records().length;
      await eventually("messages are handled all the same", () => {
        return service.records().length > handled + 200;
      });
      expect(holds()).toBe(true);
      await wire.mend();
      await eventually(
        "all four are members",
        async () => (await service.size()) === 4,
        60_000,
        250,
      );
      expect(wire.count(CREATE)).toBe(3);

      // While it shrinks.
      await wire.holdAt(STOP);
      await wire.cut();
      await eventually("it holds", holds);
      expect(await scaled.containers()).toHaveLength(4);
      await wire.mend();
      await expectRecovered(scaled, load);
      // The one that could not be stopped has not come back in between.
      const down = service.decisions.filter(({ decision }) => decision === "scale_down");
      expect(down.map((each) => each.target_replicas)).toEqual([3, 2, 1]);
      expect(service.scaler.child.exitCode).toBeNull();
    }, 200_000);

    test("is not grown beyond what it needs when containers keep ending, and is told of why", async () => {
      const { url } = await start();
      const scaled = await ScaledContainers.start(engine, url);
      const { wire, service } = scaled;
      await eventually("it is there", async () => (await service.size().catch(() => 0)) === 1);
      scaled.ill(true);
      const load = await loadOf(url, 4_000);
      await service.scaler.says("keeps failing: exit code 3: there is no such stream", 60_000);
      await eventually("it holds", () => service.decisions.at(-1)?.decision === "hold");
      expect(await service.size()).toBe(1);
      expect(wire.count(CREATE)).toBe(3);

      scaled.ill(false);
      await eventually(
        "all four are members",
        async () => (await service.size()) === 4,
        60_000,
        250,
      );
      expect(wire.count(CREATE)).toBe(3);
      await expectRecovered(scaled, load);
    }, 200_000);

    test("says how to get its image while that is gone, and grows as soon as it is there", async () => {
      const { docker } = engine;
      const repo = `docktor-test-${engine.run}-gone`;
      closeAfterTest(() => docker.getImage(repo).remove({ force: true }));
      const empty = await docker.createContainer({ Image: engine.image, Cmd: ["none"] });
      await empty.commit({ repo, comment: "another one than the engine's" });
      await empty.remove();

      const { url } = await start();
      const scaled = await ScaledContainers.start(engine, url, {}, repo);
      const { wire, service } = scaled;
      await eventually("it is there", async () => (await service.size().catch(() => 0)) === 1);
      await service.scaler.says("leading");
      await wire.cut();
      await Promise.all((await scaled.containers()).map((id) => scaled.remove(id)));
      await docker.getImage(repo).remove({ force: true });
      await wire.mend();
      const load = await loadOf(url, 200);
      await service.scaler.says(`the image ${repo} of service consumer is not on this engine`);
      await eventually("it has tried again and again", () => {
        return service.decisions.filter(({ decision }) => decision === "scale_up").length > 5;
      });
      expect(await scaled.containers()).toEqual([]);

      await docker.getImage(engine.image).tag({ repo });
      await expectRecovered(scaled, load);
    }, 120_000);
  });
});
