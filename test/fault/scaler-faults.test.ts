/** What becomes of a scaled service when its scaler, its server or its configuration fails. */
import { expect, test } from "vitest";
import { judge } from "../../src/record/oracle.ts";
import { processesWith, temporaryFolder } from "../support/cli.ts";
import { eventually } from "../support/group.ts";
import { Load } from "../support/load.ts";
import { ScaledService } from "../support/scaled-service.ts";
import { describeOnSystemsServer } from "../support/servers.ts";

const PARTITIONS = 32;
const clean = { lost: 0, outOfOrder: 0, sharedEpochs: 0 };

describeOnSystemsServer("a scaled service", ({ start }) => {
  async function loaded(url: string, messages = 3_000): Promise<Load> {
    const load = await Load.connect(url, { partitions: PARTITIONS, keys: 1_000, rate: 100 });
    await load.publish(messages);
    return load;
  }

  test("is left by no replica when its scaler is killed while it grows, and the next scaler begins anew", async () => {
    const { url } = await start();
    const load = await loaded(url);
    const service = new ScaledService(url);
    await eventually(
      "it is about to grow",
      () => service.decisions.some(({ decision }) => decision === "scale_up"),
      30_000,
    );
    service.scaler.kill("SIGKILL");
    await service.scaler.ended;
    await eventually(
      "no process of it is left",
      () => processesWith(service.folder).length === 0,
      60_000,
    );
    service.scaler = service.watch();
    await eventually(
      "the backlog is worked off",
      async () => (await service.status()).totals.lag === 0,
      90_000,
    );
    expect(judge(load.published, service.records())).toMatchObject(clean);
  }, 200_000);

  test("is left by no replica when its scaler is killed while one drains, and nothing is lost", async () => {
    const { url } = await start();
    const load = await loaded(url);
    const service = new ScaledService(url);
    await eventually(
      "one drains",
      async () => {
        const { members } = await service.status().catch(() => ({ members: [] }));
        return members.some(({ state }) => state === "draining");
      },
      120_000,
    );
    service.scaler.kill("SIGKILL");
    await service.scaler.ended;
    await eventually(
      "no process of it is left",
      () => processesWith(service.folder).length === 0,
      60_000,
    );
    // What was not handled by then is the next scaler's.
    service.scaler = service.watch();
    const workedOff = (): boolean => judge(load.published, service.records()).lost === 0;
    await eventually("all is worked off", workedOff, 90_000);
    expect(judge(load.published, service.records())).toMatchObject({ ...clean, duplicated: 0 });
  }, 240_000);

  test("has one scaler that acts: a second stands by, and takes over when the first one ends", async () => {
    const { url } = await start();
    await loaded(url, 100);
    const service = new ScaledService(url);
    await eventually(
      "it is there",
      async () => (await service.size().catch(() => 0)) === 1,
      30_000,
    );
    const second = service.watch();
    await second.says("another scaler leads");
    service.scaler.kill("SIGTERM");
    expect((await service.scaler.ended).code).toBe(0);
    await second.says("leading", 30_000);
    await eventually("it is there again", async () => (await service.size()) === 1, 30_000);
    second.kill("SIGTERM");
    expect((await second.ended).code).toBe(0);
  }, 120_000);

  test("stays as it is while its server is away, however long, and goes on when that is back", async () => {
    const server = await start();
    const load = await loaded(server.url, 200);
    const service = new ScaledService(server.url);
    await eventually(
      "all is worked off",
      async () => (await service.status().catch(() => undefined))?.totals.lag === 0,
      30_000,
    );
    const before = service.pids();
    expect(before).toHaveLength(1);
    await server.kill();
    await service.scaler.says("could not renew its place as leader", 30_000);
    await eventually(
      "it holds",
      () => service.decisions.at(-1)?.reason === "this scaler does not lead now",
    );
    expect(service.pids()).toEqual(before);
    const while_ = service.decisions.length;
    await server.restart();
    await load.publish(3_000);
    const grew = (): boolean =>
      service.decisions.slice(while_).some(({ decision }) => decision === "scale_up");
    await eventually("it grows again", grew, 60_000);
    expect(service.pids()).toEqual(expect.arrayContaining(before));
    expect(service.scaler.child.exitCode).toBeNull();
  }, 120_000);

  test("that is taken out of the configuration and put back is scaled again", async () => {
    const { url } = await start();
    await loaded(url, 100);
    const service = new ScaledService(url);
    const isThere = async (): Promise<boolean> => (await service.size().catch(() => 0)) === 1;
    await eventually("it is there", isThere, 30_000);
    const [first] = service.pids();
    const other = {
      name: "other",
      min_replicas: 0,
      queue: { stream: "EVENTS", consumer: "OTHERS", subject: "events" },
    };
    service.write(JSON.stringify({ services: [other] }));
    await service.scaler.says("read again", 15_000);
    service.configure();
    await eventually(
      "another one is there",
      async () => (await isThere()) && !service.pids().includes(first ?? 0),
      60_000,
    );
  }, 120_000);

  test("keeps its replicas while its new server does not answer, and goes by the mended address", async () => {
    const { url } = await start();
    await loaded(url, 100);
    const service = new ScaledService(url, {}, temporaryFolder(), [`--servers=${url}`]);
    await service.scaler.says("leading", 30_000);
    const file = { queue: { stream: "NONE", consumer: "WORKERS", subject: "events" } };
    await eventually("it is there", () => service.pids().length === 1, 30_000);
    const before = service.pids();
    service.configure(file);
    await service.scaler.says(
      "its new settings cannot be used yet, and nothing is changed",
      15_000,
    );
    await eventually(
      "it holds",
      () => service.decisions.at(-1)?.reason.includes("stream NONE") === true,
    );
    expect(service.pids()).toEqual(before);
    service.configure({ min_replicas: 2 });
    await eventually("it goes by the new minimum", () => service.pids().length === 2, 30_000);
    expect(service.pids()).toEqual(expect.arrayContaining(before));
  }, 120_000);

  test("is watched by a dry run that starts and stops nothing, and stands by for nobody", async () => {
    const { url } = await start();
    await loaded(url);
    const service = new ScaledService(url, {}, temporaryFolder(), ["--dry-run"]);
    await eventually(
      "it would start one",
      () => service.decisions.some(({ decision }) => decision === "scale_up"),
      30_000,
    );
    const second = service.watch();
    await second.says("leading", 30_000);
    await eventually(
      "one is there",
      async () => (await service.size().catch(() => 0)) >= 1,
      30_000,
    );
    expect(service.scaler.stderr).not.toContain("standing by");
    second.kill("SIGTERM");
    expect((await second.ended).code).toBe(0);
    expect(service.pids()).toEqual([]);
  }, 120_000);

  test("holds while its configuration is nonsense, says where, and goes by the mended one", async () => {
    const { url } = await start();
    await loaded(url, 100);
    const service = new ScaledService(url);
    await eventually(
      "it is there",
      async () => (await service.size().catch(() => 0)) === 1,
      30_000,
    );
    service.write("services: [{ name: consumer, min_replicas: lots }]");
    await service.scaler.says("min_replicas", 15_000);
    await eventually("it holds", () => service.decisions.at(-1)?.decision === "hold");
    expect(await service.size()).toBe(1);
    service.configure({ min_replicas: 2 });
    await eventually(
      "it goes by the new minimum",
      async () => (await service.size()) === 2,
      30_000,
    );
  }, 120_000);
});
