/** The stack of examples/nats-multi on a real engine, with its three scenarios: a backlog, rest, and a burst. */
import { execFile } from "node:child_process";
import { fileURLToPath } from "node:url";
import { promisify } from "node:util";
import { afterAll, afterEach, beforeAll, expect } from "vitest";
import { judge, type PublishedMessage } from "../../src/record/oracle.ts";
import { testWithCompose } from "../support/compose.ts";
import { describeOnEngine } from "../support/engine.ts";
import { eventually, link, STREAM } from "../support/group.ts";
import { importNatsServer } from "../support/images.ts";
import { livesOf } from "../support/project.ts";
import { readBack, type StoredMessage } from "../support/read-back.ts";
import { servers } from "../support/servers.ts";
import { type Look, Stack } from "../support/stack.ts";

const ROOT = fileURLToPath(new URL("../..", import.meta.url));

/** What waits when the scaler begins; and the producer's rounds: 10 s at 100 messages a second, 10 s at 500. */
const BACKLOG = 4_000;
const STEADY = 10 * 100;
const BURST = 10 * 500;

await describeOnEngine("the stack of examples/nats-multi", (engine) => {
  const { docker, run } = engine;
  const images = { nats: `docktor-test-${run}-nats`, docktor: `docktor-test-${run}-docktor` };
  const stages = `docktor-test-${run}-build`;
  let made: Stack | undefined;

  async function build(...args: readonly string[]): Promise<void> {
    const base = `BASE=docktor-test-${run}`;
    const all = ["build", "--network", "host", "--build-arg", base, ...args, ROOT];
    await promisify(execFile)("docker", all, { maxBuffer: 100_000_000 });
  }

  beforeAll(async () => {
    const [system] = servers;
    await importNatsServer(docker, images.nats, system?.binary ?? "");
    // A name for the first stage, so that it goes with it.
    await build("--target", "build", "--tag", stages);
    await build("--tag", images.docktor);
  }, 300_000);

  afterAll(async () => {
    const names = [images.docktor, stages, images.nats];
    for (const name of names) await docker.getImage(name).remove({ force: true });
  }, 60_000);

  afterEach(async () => {
    await made?.remove();
  }, 60_000);

  testWithCompose(
    "is scaled by its backlog, at rest and in a burst, while nothing else of it is touched",
    async () => {
      const stack = await Stack.create(engine, {
        variables: {
          NATS_IMAGE: images.nats,
          DOCKTOR_IMAGE: images.docktor,
          BURST_INTERVAL: "20",
        },
        service: {
          check_interval: "2s",
          metrics_window: "4s",
          catch_up: "10s",
          scale_down_window: "6s",
          cooldown: { down: "1s" },
          actions_per_hour: 1_000,
        },
      });
      made = stack;
      const { compose } = stack;
      const latest = (): Look | undefined => stack.looks.at(-1);
      const workedOff = (): boolean => latest()?.observations["queue.backlog"] === 0;
      const atRest = (): boolean => {
        const { ready = 0, starting = 0, draining = 0 } = latest()?.replicas ?? {};
        return ready === 1 && starting === 0 && draining === 0;
      };

      await compose("up", "-d", "nats", "consumer");
      const { User } = (await docker.getImage(images.docktor).inspect()).Config;
      expect(User).toBe("65532:65532");
      await eventually(
        "the first consumer is there",
        async () => (await stack.status().catch(() => undefined))?.members.length === 1,
        30_000,
        250,
      );
      const nats = await livesOf(docker, await stack.running("nats"));

      // A backlog, and nobody to work it off.
      await compose("stop", "consumer");
      const publish = ["publish", "--count", String(BACKLOG), "--json"];
      const once = ["run", "--rm", "-T", "-e", "RATE=", "-e", "BURST_RATE="];
      const told = await compose(...once, "producer", ...publish);
      expect(told.join()).toContain(`"published":${BACKLOG},"failed":0`);
      const valid = await stack.docktor("config", "validate").ended;
      expect(valid).toMatchObject({ code: 0, stderr: "" });
      const scaler = stack.watch();
      await eventually("it grows", () => (latest()?.replicas.ready ?? 0) >= 3, 40_000, 100);
      await eventually(
        "Compose takes all of them for its own",
        async () => {
          const listed = await compose("ps", "-q", "consumer");
          const running = await stack.running("consumer");
          return running.length >= 3 && String(listed) === String(running);
        },
        30_000,
        1_000,
      );
      await eventually("the backlog is worked off", workedOff, 60_000, 100);

      // Rest.
      await eventually("it is back at its minimum", atRest, 90_000, 100);
      await eventually("one container is left", async () => {
        return (await stack.running("consumer")).length === 1;
      });

      // 100 messages a second, and then 500 for 10 s.
      await compose("up", "-d", "producer");
      const producer = await livesOf(docker, await stack.running("producer"));
      const test = await link(stack.url);
      const stored = async (): Promise<number> => {
        return (await test.manager.streams.info(STREAM)).state.messages;
      };
      const all = BACKLOG + STEADY + BURST;
      await eventually("the burst is over", async () => (await stored()) >= all, 60_000, 100);
      expect(await livesOf(docker, await stack.running("producer"))).toEqual(producer);
      await compose("stop", "producer");
      await eventually("all is worked off", workedOff, 90_000, 100);
      await eventually("it is back at its minimum", atRest, 90_000, 100);

      scaler.kill("SIGTERM");
      expect((await scaler.ended).code).toBe(0);
      expect(scaler.stderr).not.toContain('"level":40');
      // What is left is Compose's, as it would have made it.
      const left = await livesOf(docker, await stack.running("consumer"));
      expect(left).toHaveLength(1);
      await compose("up", "-d", "nats", "consumer");
      expect(await livesOf(docker, await stack.running("consumer"))).toEqual(left);
      expect(await livesOf(docker, await stack.running("nats"))).toEqual(nats);

      const messages = await readBack(test, STREAM);
      const verdict = judge(messages.map(placeOf), stack.records());
      expect(verdict).toMatchObject({ lost: 0, duplicated: 0, outOfOrder: 0, sharedEpochs: 0 });
      const began = messages[BACKLOG + STEADY]?.storedAt.toISOString() ?? "";
      const ended = messages[all - 1]?.storedAt.toISOString() ?? "";
      const during = stack.looks.filter(({ ts }) => ts >= began && ts <= ended);
      // At the second look at the latest.
      expect(during.slice(0, 2).map(({ decision }) => decision)).toContain("scale_up");
      expect(during.filter(({ decision }) => decision === "scale_down")).toEqual([]);
    },
    400_000,
  );
});

/** Where a message was stored. */
function placeOf({ sequence, subject }: StoredMessage): PublishedMessage {
  return { sequence, partition: Number(subject.split(".").at(-1)) };
}
