/** `docktor demo`: the whole system at work, on a nats-server of its own. */
import type { Command } from "commander";
import {
  createPacer,
  DocktorError,
  judge,
  type Pace,
  Producer,
  type PublishedMessage,
} from "../index.ts";
import { Members } from "./demo/members.ts";
import { Scene } from "./demo/scene.ts";
import { playScaling, type Scaled } from "./demo/scaling.ts";
import { type Cast, play } from "./demo/script.ts";
import { passed, verdictLines } from "./demo/verdict.ts";
import { Watch } from "./demo/watch.ts";
import { tableOf } from "./demo/table.ts";
import { EXIT, Exit } from "./failure.ts";
import { Feed } from "./feed.ts";
import { count } from "./format.ts";
import { printJson } from "./output.ts";
import { Screen } from "./screen.ts";
import { addSettings } from "./settings.ts";
import { onStop, READER_GONE } from "./stop.ts";

interface Flags {
  json?: true;
}

const RATE = 500;
/** More than the members can handle, so that a backlog comes and goes. */
const BURST = { rate: 6_000, intervalMs: 6_000, durationMs: 2_000 };

/** Adds the command to the program. */
export function addDemo(program: Command): void {
  const command = program
    .command("demo")
    .summary("show a group at work: members join, leave and crash; ends by itself")
    .description(
      "Show a group at work on a nats-server of its own: members join, share 32 partitions, " +
        "leave and crash while messages are published in bursts; then the scaler takes members through a burst. " +
        "Ends by itself in about a minute with a verdict, and exits with 1 if a message was lost or out of order.",
    )
    .addHelpText(
      "after",
      `
Example:
  docktor demo`,
    )
    .action(demo);
  addSettings(command, "json", "logLevel");
}

async function demo({ json }: Flags): Promise<void> {
  const startedAt = performance.now();
  const screen = new Screen(json ? process.stderr : process.stdout);
  const broken = new AbortController();
  const breakOff = (error: Error): void => broken.abort(error);
  let vanish = async (): Promise<void> => {};
  onStop({
    gently: (reason) => breakOff(interrupted(reason)),
    atOnce: () => vanish(),
  });
  const scene = await Scene.open();
  const members = new Members(scene, breakOff);
  const watch = new Watch(scene, (status) => screen.show(tableOf(status)));
  // The server and its folder go when this process does.
  vanish = async () => {
    await members.killAll();
    scene.sweep();
  };
  try {
    const { signal } = broken;
    const { published, killed, scaled } = await performed(
      { scene, members, watch, screen, signal },
      breakOff,
    );
    const verdict = judge(published, scene.records());
    const result = {
      published: verdict.published,
      processed: verdict.processed,
      lost: verdict.lost,
      duplicated: verdict.duplicated,
      outOfOrder: verdict.outOfOrder,
      rebalances: watch.rosterChanges,
      scaleUps: members.started - 1 + scaled.ups,
      scaleDowns: members.left + scaled.downs,
      maxReplicas: watch.mostMembers,
      durationMs: Math.round(performance.now() - startedAt),
    };
    screen.hide();
    for (const line of verdictLines(verdict, result, { killed, scaled })) screen.line(line);
    if (json) printJson(result);
    if (!passed(verdict)) throw new Exit(EXIT.failed);
  } finally {
    breakOff(new DocktorError("CLOSED", "the demo is over"));
    screen.hide();
    await members.killAll();
    await scene.close();
  }
}

/** Plays the demo; resolves with what was published, the member that was killed, and what the scaler did. */
async function performed(
  cast: Omit<Cast, "publishAt" | "stopPublishing">,
  breakOff: (error: Error) => void,
): Promise<{ published: PublishedMessage[]; killed: string; scaled: Scaled }> {
  const { scene, watch, screen, signal } = cast;
  const { stream, subject, partitions, connection, server } = scene;
  const broken = new Promise<never>((_resolve, reject) => {
    if (signal.aborted) reject(signal.reason as Error);
    signal.addEventListener("abort", () => reject(signal.reason as Error));
  });
  void connection.closed().then(() => {
    breakOff(new DocktorError("CONNECTION_CLOSED", "the demo's nats-server ended by itself"));
  });
  screen.line(
    `A nats-server ${server.version} of the demo's own on port ${server.port}; stream ${stream}, ${partitions} partitions.`,
  );
  screen.line(
    `${count(RATE)} messages a second, ${count(BURST.rate)} in bursts; each member is a process of its own.`,
  );
  const settings = { connection, stream, subject, partitions, ensureStream: true };
  const producer = await Promise.race([Producer.connect(settings), broken]);
  const published: PublishedMessage[] = [];
  void watch.run(signal).catch(breakOff);
  let stopPublishing = async (): Promise<void> => {};
  const publishAt = (pace: Pace): void => {
    const publishing = new AbortController();
    const feed = new Feed(producer, {
      pacer: createPacer(pace),
      keys: 5_000,
      payloadBytes: 128,
      signal: AbortSignal.any([signal, publishing.signal]),
      onStored: ({ partition, sequence }) => published.push({ partition, sequence }),
      onFailure: breakOff,
    });
    const feeding = feed.run().catch(breakOff);
    stopPublishing = async () => {
      publishing.abort();
      await feeding;
    };
  };
  publishAt({ rate: RATE, burst: BURST });
  const whole: Cast = {
    ...cast,
    stopPublishing: () => stopPublishing(),
    publishAt: async (pace) => {
      await stopPublishing();
      publishAt(pace);
    },
  };
  const killed = await Promise.race([play(whole), broken]);
  const scaled = await Promise.race([playScaling(whole), broken]);
  return { published, killed, scaled };
}

function interrupted(reason: string): Error {
  if (reason === READER_GONE) return new Exit(EXIT.ok);
  return new DocktorError("CLOSED", `${reason}: the demo ended without a verdict`);
}
