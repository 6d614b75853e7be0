/** `docktor consume`: one member of a group, until it is stopped. */
import { setTimeout as sleep } from "node:timers/promises";
import type { Command } from "commander";
import type { Logger } from "pino";
import {
  Consumer,
  type ConsumerOptions,
  DocktorError,
  type EachMessage,
  isDocktorError,
  RecordWriter,
} from "../index.ts";
import { count, duration, plural, ranges, rate } from "./format.ts";
import { createLog } from "./log.ts";
import { eventsAsObjects, narrate } from "./narrate.ts";
import { print, printJson } from "./output.ts";
import { withPartitions } from "./partitions.ts";
import { addSettings } from "./settings.ts";
import { onStop } from "./stop.ts";

interface Flags {
  servers: string;
  stream: string;
  subject: string;
  partitions?: number;
  group: string;
  memberId?: string;
  sessionTtlMs: number;
  restartDelayMs: number;
  record?: string;
  processTimeMs: number;
  concurrency: number;
  memberConcurrency?: number;
  json?: true;
  logLevel: string;
}

const SUMMARY_MS = 5_000;
/** How long to wait to be stopped, once the group has had this member leave: a platform would start it again. */
const DISMISSED_MS = 30_000;
/** What `close()` may take when the user wants to be out at once. */
const CLOSE_MS = 500;

/** Adds the command to the program. */
export function addConsume(program: Command): void {
  const command = program
    .command("consume")
    .summary("join a group and handle messages until stopped")
    .description(
      "Join a group and handle messages until stopped, by doing nothing but --record them: in the group of " +
        "a service, its messages would be gone. Creates a missing stream (file storage). " +
        "Ctrl-C or SIGTERM finishes, commits, hands over and exits with 0; once more stops at " +
        "once, hands nothing over and exits with 130 or 143.",
    )
    .addHelpText(
      "after",
      `
Example:
  docktor consume --group WORKERS --record processed/%m.jsonl`,
    )
    .action(consume);
  addSettings(command, "servers", "stream", "subject", "partitions", "group", "memberId");
  addSettings(command, "sessionTtlMs", "restartDelayMs", "record", "processTimeMs");
  addSettings(command, "concurrency", "memberConcurrency");
  addSettings(command, "json", "logLevel");
}

async function consume(flags: Flags): Promise<void> {
  const startedAt = performance.now();
  const log = createLog(flags.logLevel);
  const work = new Work(flags);
  let consumer: Consumer | undefined;
  let stopping = false;
  let notHandedOver = 0;
  onStop({
    gently: (reason) => {
      stopping = true;
      const then = flags.restartDelayMs > 0 ? "ready to be restarted" : "handing over";
      log.info(`${reason}: finishing, committing, ${then}; once more stops at once`);
      void consumer?.drain();
    },
    atOnce: async () => {
      log.warn("stopping at once: the others take over when this member's session expires");
      await Promise.race([consumer?.close(), sleep(CLOSE_MS)]);
    },
  });
  try {
    const joined = await withPartitions(flags.partitions, async (partitions) => {
      consumer = createConsumer(flags, partitions);
      flags.memberId = consumer.memberId;
      if (flags.json) eventsAsObjects(consumer, printJson);
      else narrate(consumer, log);
      consumer.on("partition:lost", () => {
        if (stopping) notHandedOver++;
      });
      work.open(consumer.memberId);
      if (stopping) await consumer.close();
      await consumer.run({ eachMessage: work.handle });
      tellOpening(consumer, flags, log);
      return consumer;
    });
    const summary = setInterval(() => {
      const progress = work.progress();
      if (progress.processed === 0) return;
      if (flags.json) printJson({ event: "progress", ...progress });
      else log.info(describeProgress(progress, joined.assignment));
    }, SUMMARY_MS);
    const error = await joined.closed();
    clearInterval(summary);
    if (error !== undefined) throw error;
    if (!stopping) await dismissed(log, () => stopping);
  } catch (error) {
    if (!(stopping && isDocktorError(error, "CLOSED"))) throw error;
  }
  const durationMs = Math.round(performance.now() - startedAt);
  const { processed } = work;
  if (flags.json) printJson({ processed, durationMs });
  else print(`processed ${plural(processed, "message")} in ${duration(durationMs)}`);
  if (notHandedOver === 0) return;
  throw new DocktorError(
    "SESSION_LOST",
    `${plural(notHandedOver, "partition")} could not be handed over: others take over when this member's session expires`,
  );
}

/** The group is scaled down, and this member is the one to go: whoever decided that stops it next. */
async function dismissed(log: Logger, isStopping: () => boolean): Promise<void> {
  log.info("left the group as it was told to, with nothing lost: the group is being scaled down");
  const until = performance.now() + DISMISSED_MS;
  while (!isStopping() && performance.now() < until) await sleep(100);
}

function createConsumer(flags: Flags, partitions: number | undefined): Consumer {
  const { servers, stream, subject, group, memberId } = flags;
  const concurrency = concurrencyOf(flags);
  return new Consumer({
    servers,
    stream,
    subject,
    group,
    session: { ttlMs: flags.sessionTtlMs, restartDelayMs: flags.restartDelayMs },
    ensureStream: true,
    ...(partitions === undefined ? {} : { partitions }),
    ...(memberId === undefined ? {} : { memberId }),
    ...(concurrency === undefined ? {} : { concurrency }),
  });
}

function concurrencyOf({ concurrency, memberConcurrency }: Flags): ConsumerOptions["concurrency"] {
  const perMember = memberConcurrency === undefined ? {} : { perMember: memberConcurrency };
  if (concurrency > 1) return { perPartition: concurrency, by: "key", ...perMember };
  return memberConcurrency === undefined ? undefined : { perMember: memberConcurrency };
}

/** What the user may not know of the group that was joined. */
function tellOpening(
  { streamCreated, sessionTtlMs }: Consumer,
  { stream, sessionTtlMs: wantedMs }: Flags,
  log: Logger,
): void {
  if (streamCreated) log.info(`created stream ${stream}`);
  if (sessionTtlMs === undefined || sessionTtlMs === wantedMs) return;
  log.info(
    `the group's session TTL is ${count(sessionTtlMs)} ms, as its members have it, not ${count(wantedMs)} ms`,
  );
}

interface Progress {
  /** Messages processed so far. */
  readonly processed: number;
  /** Messages per second since the last look. */
  readonly rate: number;
}

function describeProgress(progress: Progress, partitions: readonly number[]): string {
  const { processed, rate: perSecond } = progress;
  return `processed ${plural(processed, "message")} (${rate(perSecond)}); own ${ranges(partitions)}`;
}

/** What this member does with a message: takes its time, puts it on record, counts it. */
class Work {
  processed = 0;
  readonly #flags: Flags;
  #record: RecordWriter | undefined;
  #memberId = "";
  #before = { processed: 0, at: performance.now() };

  constructor(flags: Flags) {
    this.#flags = flags;
  }

  /** Opens the record. The process's end closes it: a handler may outlive its consumer. */
  open(memberId: string): void {
    this.#memberId = memberId;
    if (this.#flags.record !== undefined) {
      this.#record ??= new RecordWriter(this.#flags.record, memberId);
    }
  }

  readonly handle: EachMessage = (message, context) => {
    const { processTimeMs } = this.#flags;
    if (processTimeMs === 0) return this.#done(message, context);
    // Gives up when the partition is lost: another member does it again.
    return sleep(processTimeMs, undefined, { signal: context.signal }).then(() =>
      this.#done(message, context),
    );
  };

  readonly #done = (...[message, { epoch }]: Parameters<EachMessage>): void => {
    const { partition, sequence, key = null } = message;
    const member = this.#memberId;
    this.#record?.write({ member, partition, epoch, sequence, key, ts: Date.now() });
    this.processed++;
  };

  progress(): Progress {
    const { processed } = this;
    const at = performance.now();
    const done = processed - this.#before.processed;
    const perSecond = Math.round((done * 10_000) / (at - this.#before.at)) / 10;
    this.#before = { processed, at };
    return { processed, rate: perSecond };
  }
}
