/** The stream that holds the partitions' messages: created when asked, checked always. */
import {
  type JetStreamManager,
  RetentionPolicy,
  StorageType,
  type StreamConfig,
  type StreamInfo,
} from "@nats-io/jetstream";
import { DocktorError } from "../errors.ts";
import { fromNats, isConsumerLimit, isStreamNotFound, isSubjectOverlap } from "./errors.ts";

/** What a stream must be able to hold. */
export interface StreamRequirements {
  stream: string;
  /** Every subject that will be published to or consumed from. */
  subjects: readonly string[];
  /** The subjects to give the stream when it is created. */
  createSubjects: readonly string[];
  /**
   * Create the stream when it is missing; an object adds settings to the new stream's
   * configuration. A stream that exists is never changed.
   */
  ensureStream?: boolean | Partial<StreamConfig>;
  /** How many consumers a new stream is to permit, if the account does; undefined for the server's default. */
  maxConsumers?: number;
}

/** A stream that can serve. */
export interface OpenedStream {
  readonly config: StreamConfig;
  /** Whether it was created just now. */
  readonly created: boolean;
}

/**
 * Opens the stream, after checking that it can serve.
 *
 * @throws DocktorError STREAM_NOT_FOUND, STREAM_SUBJECT_MISMATCH, STREAM_UNSUITABLE
 */
export async function openStream(
  manager: JetStreamManager,
  wanted: StreamRequirements,
): Promise<OpenedStream> {
  const { info, created } = await findOrCreate(manager, wanted);
  requireSubjects(info, wanted.subjects);
  if (info.config.retention === RetentionPolicy.Interest) {
    throw unsuitable(
      info,
      "keeps only messages that some consumer waits for (interest retention), so those of a partition without an owner would be lost; use limits or workqueue retention",
    );
  }
  if (info.config.no_ack) {
    throw unsuitable(info, "does not acknowledge messages (no_ack); set no_ack to false");
  }
  return { config: info.config, created };
}

/**
 * The stream as it is now.
 *
 * @throws DocktorError STREAM_NOT_FOUND and those of the connection
 */
export async function readStream(manager: JetStreamManager, stream: string): Promise<StreamInfo> {
  try {
    return await manager.streams.info(stream);
  } catch (error) {
    if (!isStreamNotFound(error)) throw fromNats(error, `read stream ${stream}`);
    throw new DocktorError(
      "STREAM_NOT_FOUND",
      `stream ${stream} does not exist: look at its name, or create it: with ensureStream, or with "nats stream add ${stream}"`,
      { cause: error },
    );
  }
}

async function findOrCreate(
  manager: JetStreamManager,
  wanted: StreamRequirements,
): Promise<{ info: StreamInfo; created: boolean }> {
  const { stream, ensureStream } = wanted;
  try {
    return { info: await manager.streams.info(stream), created: false };
  } catch (error) {
    if (!isStreamNotFound(error)) throw fromNats(error, `read stream ${stream}`);
    if (ensureStream === undefined || ensureStream === false) {
      throw new DocktorError(
        "STREAM_NOT_FOUND",
        `stream ${stream} does not exist: create it with subjects ${wanted.createSubjects.join(", ")}, or pass ensureStream: true`,
        { cause: error },
      );
    }
  }
  try {
    return { info: await create(manager, wanted), created: true };
  } catch (error) {
    // Another process may have created it in between; then it is there now.
    const raced = await manager.streams.info(stream).catch(() => undefined);
    if (raced !== undefined) return { info: raced, created: false };
    if (isSubjectOverlap(error)) throw await explainOverlap(manager, wanted, error);
    throw fromNats(error, `create stream ${stream}`);
  }
}

async function create(manager: JetStreamManager, wanted: StreamRequirements): Promise<StreamInfo> {
  const { stream, createSubjects, ensureStream, maxConsumers } = wanted;
  const config = {
    storage: StorageType.File,
    ...(maxConsumers === undefined ? {} : { max_consumers: maxConsumers }),
    ...(typeof ensureStream === "object" ? ensureStream : {}),
    name: stream,
    subjects: [...createSubjects],
  };
  try {
    return await manager.streams.add(config);
  } catch (error) {
    // An account with a limit of its own permits what is below that.
    if (maxConsumers === undefined || !isConsumerLimit(error)) throw error;
    const { maxConsumers: _, ...rest } = wanted;
    return await create(manager, rest);
  }
}

async function explainOverlap(
  manager: JetStreamManager,
  { stream, createSubjects }: StreamRequirements,
  cause: unknown,
): Promise<DocktorError> {
  const others = new Set<string>();
  for (const subject of createSubjects) {
    for await (const name of manager.streams.names(subject)) others.add(name);
  }
  const taken = createSubjects.join(", ");
  return new DocktorError(
    "STREAM_SUBJECT_MISMATCH",
    `stream ${stream} cannot be created: another one, ${[...others].join(", ")}, stores messages of ${taken} already; use that stream, or another subject`,
    { cause },
  );
}

function requireSubjects(info: StreamInfo, subjects: readonly string[]): void {
  const patterns = info.config.subjects ?? [];
  const missing = subjects.find(
    (subject) => !patterns.some((pattern) => subjectMatches(pattern, subject)),
  );
  if (missing === undefined) return;
  const stored = patterns.length === 0 ? "no subjects" : patterns.join(", ");
  throw new DocktorError(
    "STREAM_SUBJECT_MISMATCH",
    `stream ${info.config.name} stores ${stored}, which does not cover ${missing}: add the subject to the stream, or use another stream or subject`,
  );
}

function unsuitable(info: StreamInfo, why: string): DocktorError {
  return new DocktorError("STREAM_UNSUITABLE", `stream ${info.config.name} ${why}`);
}

/** Whether a subject matches a pattern with the wildcards `*` (one token) and `>` (the rest). */
export function subjectMatches(pattern: string, subject: string): boolean {
  const wanted = pattern.split(".");
  const tokens = subject.split(".");
  for (const [i, token] of wanted.entries()) {
    if (token === ">") return tokens.length > i;
    if (tokens[i] === undefined) return false;
    if (token !== "*" && token !== tokens[i]) return false;
  }
  return wanted.length === tokens.length;
}
