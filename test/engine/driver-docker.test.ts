/** The Docker driver on a real engine, beside containers that are labelled as Compose labels them. */
import { readFileSync, statSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { PassThrough } from "node:stream";
import { expect, test } from "vitest";
import { LABEL } from "../../src/scaler/drivers/docker-clone.ts";
import { DockerDriver } from "../../src/scaler/drivers/docker.ts";
import type { Replica } from "../../src/scaler/drivers/driver.ts";
import { composeFor, testWithCompose } from "../support/compose.ts";
import { driverSuite } from "../support/driver-suite.ts";
import { describeOnEngine } from "../support/engine.ts";
import { eventually } from "../support/group.ts";
import { Project } from "../support/project.ts";
import { PROGRAM } from "../support/replica-program.ts";

const { signal } = new AbortController();
const unavailable = (words: RegExp): unknown =>
  expect.objectContaining({ code: "TARGET_UNAVAILABLE", message: expect.stringMatching(words) });

await describeOnEngine("the Docker driver", (engine) => {
  const rules = { choosesVictim: true, staysWhenClosed: true, tellsLastWords: true };

  driverSuite("as every driver", rules, () => {
    const project = new Project(engine);
    let neighbours: Promise<string[]> | undefined;
    return {
      open: async (behaviour) => {
        await project.up("consumer", 1, { behaviour });
        return await project.driver();
      },
      told: (event) => project.told(event),
      neighbours: async () => {
        neighbours ??= Promise.all([
          // Another service, another project, and `docker compose run` of the same service.
          project.up("other", 1, { journal: "/dev/shm" }),
          new Project(engine).up("consumer", 1),
          project.up("consumer", 1, {
            labels: { [LABEL.oneOff]: "True" },
            name: "run",
            journal: "/dev/shm",
          }),
        ]);
        const ids = await neighbours;
        const running = await engine.docker.listContainers({ filters: { id: ids } });
        return running.map(({ Id }) => Id).sort();
      },
      openMissing: async () => await project.driver("no-such-service"),
    };
  });

  test("makes containers that differ from Compose's own in number and name only", async () => {
    const project = new Project(engine);
    const first = await project.up("consumer", 1);
    const driver = await project.driver();
    await driver.grow(1, signal);
    const [original, clone] = await Promise.all(
      [first, `${project.name}-consumer-2`].map((id) => engine.docker.getContainer(id).inspect()),
    );
    expect(clone?.Config).toEqual({
      ...original?.Config,
      Labels: { ...original?.Config.Labels, [LABEL.number]: "2" },
    });
    expect(clone?.HostConfig).toEqual(original?.HostConfig);
    expect(clone?.Image).toBe(original?.Image);
  });

  test("gives the lowest free number, as the name too", async () => {
    const project = new Project(engine);
    await project.up("consumer", 1);
    await project.up("consumer", 3);
    const driver = await project.driver();
    await driver.grow(2, signal);
    const names = (await driver.current(signal)).map(({ name }) => name);
    expect(names).toEqual([1, 2, 3, 4].map((number) => `${project.name}-consumer-${number}`));
  });

  test("takes the next number when somebody else's container has the name", async () => {
    const project = new Project(engine);
    await project.up("consumer", 1);
    await project.up("other", 1, { name: "consumer-2" });
    const driver = await project.driver();
    await driver.grow(1, signal);
    const names = (await driver.current(signal)).map(({ name }) => name);
    expect(names).toEqual([1, 3].map((number) => `${project.name}-consumer-${number}`));
  });

  test("starts one that was stopped before it makes another, unless its settings are old", async () => {
    const project = new Project(engine);
    await project.up("consumer", 1);
    const stopped = await project.up("consumer", 2);
    const old = await project.up("consumer", 3, { labels: { [LABEL.configHash]: "an-older-one" } });
    // Before that they would not hear.
    await eventually("they run", () => project.told("started") === 3);
    for (const id of [stopped, old]) await engine.docker.getContainer(id).stop();
    // The newest container that runs is what others are measured by.
    const driver = await project.driver();
    expect(await driver.current(signal)).toHaveLength(1);
    await driver.grow(2, signal);
    const replicas = await driver.current(signal);
    expect(replicas.map(({ id }) => id)).toContain(stopped);
    expect(replicas.map(({ id }) => id)).not.toContain(old);
    expect(replicas).toHaveLength(3);
  });

  test("grows from nothing by the template, which only its user may read", async () => {
    const project = new Project(engine);
    const only = await project.up("consumer", 1);
    const driver = await project.driver();
    await driver.check(signal);
    await engine.docker.getContainer(only).remove({ force: true });
    const state = process.env["XDG_STATE_HOME"] ?? "";
    const template = join(state, "docktor", "templates", `${project.name}-consumer.json`);
    expect(statSync(template).mode & 0o777).toBe(0o600);
    expect(JSON.parse(readFileSync(template, "utf8"))).toMatchObject({ Id: only });
    const another = await project.driver();
    await another.grow(2, signal);
    expect(await another.current(signal)).toHaveLength(2);
  });

  test("tells members apart whose id is fixed", async () => {
    const project = new Project(engine);
    await project.up("consumer", 1, { env: ["MEMBER_ID=shop"] });
    const driver = await project.driver();
    await driver.grow(2, signal);
    const members = (await driver.current(signal)).map(({ memberId }) => memberId);
    expect(members).toEqual(["shop", "shop-2", "shop-3"]);
    const [, second] = await driver.current(signal);
    expect(second?.cpuPercent === undefined || second.cpuPercent >= 0).toBe(true);
  });

  test("tells of one that has crashed and that nobody starts again", async () => {
    const project = new Project(engine);
    await project.up("consumer", 1, { behaviour: "crashing", restart: "no" });
    const driver = await project.driver();
    await eventually("it is failed", async () => {
      const [replica] = await driver.current(signal);
      return replica?.why === "exit code 3: there is no such stream";
    });
  });

  test("starts one again that has crashed and rested, before it makes another", async () => {
    const project = new Project(engine);
    await project.up("consumer", 1);
    const crashed = await project.up("consumer", 2, { behaviour: "crashing", restart: "no" });
    const driver = await project.driver();
    await eventually("it rests", async () => {
      const [, second] = await driver.current(signal);
      return second?.state === "failed";
    });
    await eventually("it has rested", async () => (await driver.current(signal)).length === 1);
    await driver.grow(1, signal);
    expect(await project.containers()).toHaveLength(2);
    await eventually("it has crashed again", async () => {
      const [, second] = await driver.current(signal);
      return second?.id === crashed && second.state === "failed";
    });
  });

  test("leaves nothing behind when a container cannot be started, and tells why", async () => {
    const project = new Project(engine);
    const first = await project.up("consumer", 1, { command: ["/no/such/program"], start: false });
    const driver = await project.driver();
    await expect(driver.grow(2, signal)).rejects.toEqual(unavailable(/no\/such\/program/));
    expect(await project.containers()).toEqual([first]);
  });

  test("says how to get the image when it is not there", async () => {
    const { docker } = engine;
    const nothing = new PassThrough();
    // Two empty blocks: a tar of no files.
    nothing.end(Buffer.alloc(1_024));
    const repo = `docktor-test-empty-${engine.run}`;
    (await docker.importImage(nothing, { repo, tag: "latest" })).resume();
    await eventually("it is there", async () => {
      return (await docker.listImages({ filters: { reference: [repo] } })).length === 1;
    });
    const project = new Project(engine);
    await project.up("consumer", 1, { image: `${repo}:latest`, start: false });
    await docker.getImage(`${repo}:latest`).remove({ force: true });
    const driver = await project.driver();
    await expect(driver.check(signal)).rejects.toEqual(unavailable(/build or pull it/));
  });

  test("does not scale what has a port of the host for itself", async () => {
    const project = new Project(engine);
    await project.up("consumer", 1, { ports: { "80/tcp": [{ HostPort: "8080" }] }, start: false });
    const driver = await project.driver();
    await expect(driver.check(signal)).rejects.toEqual(unavailable(/publishes port 8080/));
  });

  test("refuses to stop a container of another service", async () => {
    const project = new Project(engine);
    await project.up("consumer", 1);
    const other = await project.up("other", 1);
    const driver = await project.driver();
    const victim = { id: other, name: "other" } as Replica;
    await expect(driver.remove(victim, 1_000, signal)).rejects.toEqual(unavailable(/left alone/));
  });

  testWithCompose("adds what Compose takes for its own", async () => {
    const project = new Project(engine);
    const file = join(project.journal, "compose.json");
    const service = {
      image: engine.image,
      command: [engine.node, "-e", PROGRAM],
      network_mode: "host",
      environment: { JOURNAL: "/journal", BEHAVIOUR: "polite" },
      volumes: [`${project.journal}:/journal`],
    };
    writeFileSync(file, JSON.stringify({ services: { consumer: service, other: service } }));
    const compose = composeFor(project.name, file);
    await compose("up", "-d");
    const driver = await DockerDriver.open({
      composeFile: file,
      project: project.name,
      service: "consumer",
    });
    await driver.check(signal);
    await driver.grow(2, signal);
    const three = (await driver.current(signal)).map(({ id }) => id);
    expect(await compose("ps", "-q", "consumer")).toEqual(three.toSorted());
    // Nothing to do: neither is one too many, nor would it make any of them anew.
    await compose("up", "-d", "--scale", "consumer=3");
    expect((await driver.current(signal)).map(({ id }) => id)).toEqual(three);
    await compose("up", "-d", "--scale", "consumer=2");
    expect((await driver.current(signal)).map(({ id }) => id)).toEqual(three.slice(0, 2));
    await driver.grow(1, signal);
    expect(await compose("ps", "-q", "consumer")).toHaveLength(3);
    expect(await compose("ps", "-q", "other")).toHaveLength(1);
  });

  test("says what to do when no engine answers", async () => {
    const socket = join(tmpdir(), "no-such-engine.sock");
    const driver = await DockerDriver.open({ project: "shop", service: "consumer", socket });
    await expect(driver.current(signal)).rejects.toEqual(
      unavailable(/no Docker engine answers at .*no-such-engine\.sock.*start it/),
    );
  });
});
