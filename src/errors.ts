import { inspect } from "node:util";

/**
 * Every way docktor can fail, as a stable code.
 *
 * The value tells whether the same call may succeed later without anyone changing
 * anything (`retriable`); an error may override it where the cause says more.
 */
const RETRIABLE = {
  /** An option, flag or environment variable has a value that cannot work. */
  INVALID_OPTION: false,
  /** The configuration file is missing, cannot be read, or says what cannot work. */
  CONFIG_INVALID: false,
  /** No server answered at the given address. */
  CONNECTION_FAILED: true,
  /** The connection broke; it is tried again until it is back. */
  CONNECTION_LOST: true,
  /** The connection was closed, by us or for good by the server. */
  CONNECTION_CLOSED: false,
  /** The server refused the credentials or the permission. */
  NOT_AUTHORIZED: false,
  /** The server, or the account, has no JetStream. */
  JETSTREAM_DISABLED: false,
  /** The server is too old for what was asked, and would ignore it silently. */
  SERVER_UNSUPPORTED: false,
  /** The server did not answer in time; the request may or may not have been carried out. */
  TIMEOUT: true,
  /** The stream does not exist. */
  STREAM_NOT_FOUND: false,
  /** The stream does not store the partitions' subjects, or cannot, as another one does. */
  STREAM_SUBJECT_MISMATCH: false,
  /** The stream has a setting under which messages could be lost or acks mean nothing. */
  STREAM_UNSUITABLE: false,
  /** The stream is at a limit and refuses new messages. */
  STREAM_FULL: true,
  /** The stream, or its account, permits no more consumers, of which each partition needs one. */
  CONSUMER_LIMIT: true,
  /** The partition count differs from the one the subject was set up with. */
  PARTITION_COUNT_MISMATCH: false,
  /** The partition count was left out and the server does not know one yet. */
  PARTITION_COUNT_UNKNOWN: false,
  /** The group's buckets belong to another stream, subject or group. */
  GROUP_MISMATCH: false,
  /** The group has no members and never had one. */
  GROUP_NOT_FOUND: false,
  /** A live member has the same id. */
  MEMBER_ID_IN_USE: false,
  /** A record in a bucket, or a line of a record file, is not one of docktor's. */
  RECORD_INVALID: false,
  /** A compare-and-set lost against another write. */
  CONFLICT: true,
  /** The member's session ended: not renewed in time, declared dead, or its id was taken. */
  SESSION_LOST: true,
  /** Another member owns the partition by now; what this one did since is not committed. */
  FENCED: true,
  /** A message was under way for too long, so its partition was given to another member. */
  STALLED: true,
  /** A partition was given up before the handlers under way on it had finished. */
  DRAIN_TIMEOUT: true,
  /** The user's handler threw or rejected. */
  HANDLER_FAILED: true,
  /** Messages were removed from the stream before the group had handled them. */
  MESSAGES_MISSING: false,
  /** There is no dead letter of that id: it was never there, or it has been handled since. */
  DEAD_LETTER_NOT_FOUND: false,
  /** The message is larger than the server or the stream accepts. */
  PAYLOAD_TOO_LARGE: false,
  /** The server refused the message. */
  PUBLISH_REJECTED: false,
  /** No ack came in time, after retries; the message may or may not be stored. */
  PUBLISH_TIMEOUT: true,
  /** A reading that a scaling decision needs is missing, stale or no number. */
  READING_UNAVAILABLE: true,
  /** Where the replicas run, such as a Docker engine, does not answer or cannot do what it was asked. */
  TARGET_UNAVAILABLE: true,
  /** Another scaler leads the service, and this one may not act. */
  SCALER_STANDBY: true,
  /** The object was closed and cannot be used any more. */
  CLOSED: false,
  /** Something failed that docktor did not foresee; see `cause`. */
  UNEXPECTED: false,
} as const;

/** A stable name for what went wrong; part of the public contract. */
export type ErrorCode = keyof typeof RETRIABLE;

/** What may be said of an error beside its code and message. */
export interface DocktorErrorOptions {
  /** What led to it. */
  cause?: unknown;
  /** Overrides the code's own answer. */
  retriable?: boolean;
}

/**
 * The one error class of docktor.
 *
 * `code` is stable and meant for programs, `message` is for people and says what
 * happened, why, and what to do next.
 */
export class DocktorError extends Error {
  override readonly name = "DocktorError";
  readonly code: ErrorCode;
  /** Whether the same call may succeed later without anyone changing anything. */
  readonly retriable: boolean;

  constructor(code: ErrorCode, message: string, options: DocktorErrorOptions = {}) {
    super(message, options.cause === undefined ? {} : { cause: options.cause });
    this.code = code;
    this.retriable = options.retriable ?? RETRIABLE[code];
  }
}

/** A value as the caller wrote it: `"32"` is not 32. */
export function written(value: unknown): string {
  return typeof value === "string" ? JSON.stringify(value) : inspect(value, { depth: 0 });
}

/** The error for an option that cannot work. */
export function invalidOption(message: string): DocktorError {
  return new DocktorError("INVALID_OPTION", message);
}

/** Whether `error` is a docktor error, with that code if one is given. */
export function isDocktorError(error: unknown, code?: ErrorCode): error is DocktorError {
  return error instanceof DocktorError && (code === undefined || error.code === code);
}

/** What a thrown value says; one that is no error may not even have a `toString`. */
export function messageOf(thrown: unknown): string {
  if (thrown instanceof Error) return thrown.message;
  return typeof thrown === "string" ? thrown : inspect(thrown);
}

/** Any thrown value as a docktor error; one that already is stays as it is. */
export function toDocktorError(error: unknown): DocktorError {
  if (error instanceof DocktorError) return error;
  return new DocktorError("UNEXPECTED", messageOf(error), { cause: error });
}
