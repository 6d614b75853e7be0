/** `docktor publish`: messages with keys, at full speed, at a rate, or in bursts. */
import type { Command } from "commander";
import { createPacer, Producer } from "../index.ts";
import { complain, EXIT, Exit } from "./failure.ts";
import { Feed } from "./feed.ts";
import { count, duration, plural, rate } from "./format.ts";
import { createLog } from "./log.ts";
import { print, printJson, showProgress } from "./output.ts";
import { type PaceFlags, paceOf, RATE_BETWEEN_BURSTS } from "./pace.ts";
import { withPartitions } from "./partitions.ts";
import { addSettings } from "./settings.ts";
import { onStop } from "./stop.ts";

interface Flags extends PaceFlags {
  servers: string;
  stream: string;
  subject: string;
  partitions?: number;
  count?: number;
  keys: number;
  payloadBytes: number;
  json?: true;
  logLevel: string;
}

const PROGRESS_MS = 500;

/** Adds the command to the program. */
export function addPublish(program: Command): void {
  const command = program
    .command("publish")
    .summary("publish messages at full speed, at a rate or in bursts")
    .description(
      "Publish messages with the keys key-0, key-1 and so on, used in turn. " +
        "Creates a missing stream (file storage). With --burst-rate and no --rate, the rate " +
        `between bursts is ${RATE_BETWEEN_BURSTS}. Exits with 1 when a message was not stored.`,
    )
    .addHelpText(
      "after",
      `
Examples:
  docktor publish --count 100000 --keys 1000
  docktor publish --rate 100 --burst-rate 500 --burst-interval 60 --burst-duration 10`,
    )
    .action(publish);
  addSettings(command, "servers", "stream", "subject", "partitions", "count", "rate", "keys");
  addSettings(command, "payloadBytes", "burstRate", "burstInterval", "burstDuration");
  addSettings(command, "json", "logLevel");
}

async function publish(flags: Flags, command: Command): Promise<void> {
  const { servers, stream, subject, keys, payloadBytes } = flags;
  const log = createLog(flags.logLevel);
  const isTyped = (name: string): boolean => command.getOptionValueSource(name) === "cli";
  const pacer = createPacer(paceOf(flags, isTyped));
  const stopped = new AbortController();
  onStop({
    gently: (reason) => {
      log.info(`${reason}: waiting for the last acks; once more stops at once`);
      stopped.abort();
    },
    atOnce: async () => {},
  });
  const producer = await withPartitions(flags.partitions, (partitions) =>
    Producer.connect({
      servers,
      stream,
      subject,
      ensureStream: true,
      ...(partitions === undefined ? {} : { partitions }),
    }),
  );
  if (producer.streamCreated) log.info(`created stream ${stream}`);
  log.debug(`publishing to ${subject} on stream ${stream}, ${producer.partitions} partitions`);
  const feed = new Feed(producer, {
    pacer,
    count: flags.count,
    keys,
    payloadBytes,
    signal: stopped.signal,
    onFailure: (error) => complain(`a message was not stored: ${error.message}`),
  });
  const startedAt = performance.now();
  const hideProgress = followProgress(feed);
  try {
    await feed.run();
  } catch (error) {
    // The first failure said it already.
    if (feed.failed === 0) throw error;
  } finally {
    hideProgress();
    report(feed, performance.now() - startedAt, flags.json ?? false);
    await producer.close();
  }
  if (feed.failed > 0) throw new Exit(EXIT.failed);
}

function report({ published, failed }: Feed, durationMs: number, json: boolean): void {
  if (json) {
    printJson({ published, failed, durationMs: Math.round(durationMs) });
    return;
  }
  const speed = rate((published * 1_000) / Math.max(durationMs, 1));
  print(
    `published ${plural(published, "message")} in ${duration(durationMs)} (${speed}), ${count(failed)} failed`,
  );
}

/** Shows how far it is; returns how to stop. */
function followProgress(feed: Feed): () => void {
  if (!process.stderr.isTTY) return () => {};
  let before = 0;
  const timer = setInterval(() => {
    const speed = rate(((feed.published - before) * 1_000) / PROGRESS_MS);
    before = feed.published;
    const failed = feed.failed === 0 ? "" : `, ${count(feed.failed)} failed`;
    showProgress(`published ${count(feed.published)} (${speed})${failed}`);
  }, PROGRESS_MS);
  return () => {
    clearInterval(timer);
    showProgress("");
  };
}
