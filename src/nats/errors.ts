/** Turns what the NATS client throws into docktor errors, in one place. */
import { JetStreamApiError } from "@nats-io/jetstream";
import { errors } from "@nats-io/transport-node";
import { DocktorError, type ErrorCode, messageOf } from "../errors.ts";

/** The server's own error numbers that docktor tells apart. */
const API = {
  consumerExists: 10148,
  consumerLimit: 10026,
  consumerNameInUse: 10013,
  consumerNotCreated: 10012,
  consumerNotFound: 10014,
  jetStreamDisabled: 10076,
  jetStreamDisabledForAccount: 10039,
  messageNotFound: 10037,
  storeFailed: 10077,
  streamNotFound: 10059,
  subjectOverlap: 10065,
  wrongLastSequence: 10071,
  /** The same conflict as reported by newer replicated streams. */
  wrongLastSequenceReplicated: 10164,
} as const;

function apiCode(error: unknown): number | undefined {
  return error instanceof JetStreamApiError ? error.code : undefined;
}

/** Whether a compare-and-set was refused because the key has another revision. */
function isWrongRevision(error: unknown): boolean {
  const code = apiCode(error);
  return code === API.wrongLastSequence || code === API.wrongLastSequenceReplicated;
}

/** Whether the stream, or the bucket, does not exist. */
export function isStreamNotFound(error: unknown): boolean {
  return apiCode(error) === API.streamNotFound;
}

/** Whether another stream stores subjects that the new one was to store. */
export function isSubjectOverlap(error: unknown): boolean {
  return apiCode(error) === API.subjectOverlap;
}

/** Whether the consumer does not exist. */
export function isConsumerNotFound(error: unknown): boolean {
  return apiCode(error) === API.consumerNotFound;
}

/** Whether there is a consumer of that name already, with other settings. */
export function isConsumerExists(error: unknown): boolean {
  const code = apiCode(error instanceof DocktorError ? error.cause : error);
  return code === API.consumerExists || code === API.consumerNameInUse;
}

/**
 * Whether there may be a consumer of that name already, with other settings: version 2.9 would change
 * that one, and gives the same error for whatever it can not do.
 */
export function isConsumerConflict(error: unknown): boolean {
  const code = apiCode(error instanceof DocktorError ? error.cause : error);
  return isConsumerExists(error) || code === API.consumerNotCreated;
}

/** Whether the stream, or its account, permits no more consumers, or not as many as the stream was to. */
export function isConsumerLimit(error: unknown): boolean {
  return apiCode(error) === API.consumerLimit;
}

/** Whether no message matched. */
export function isMessageNotFound(error: unknown): boolean {
  return apiCode(error) === API.messageNotFound;
}

/**
 * Whether the request's outcome is unknown: it may have been carried out although no
 * answer came. Only a read tells.
 */
function isOutcomeUnknown(error: unknown): boolean {
  const cause = causeOf(error);
  return (
    cause instanceof errors.TimeoutError ||
    cause instanceof errors.NoRespondersError ||
    isUnanswered(cause) ||
    (error instanceof errors.RequestError && error.isNoResponders()) ||
    (cause instanceof JetStreamApiError && cause.status >= 500)
  );
}

/**
 * Whether nobody answers on JetStream's subjects. The client calls that "not enabled", but a
 * stream that was deleted or has no leader just now looks the same.
 */
export function isUnanswered(error: unknown): boolean {
  // The client does not export this class.
  return error instanceof Error && error.name === "JetStreamNotEnabled";
}

/** What went wrong with a request, which the client wraps. */
function causeOf(error: unknown): unknown {
  return error instanceof errors.RequestError ? (error.cause ?? error) : error;
}

/** Whether the stream is at a limit. The number covers more than that, its text does not. */
function isStreamFull(error: unknown): boolean {
  return apiCode(error) === API.storeFailed && messageOf(error).startsWith("maximum ");
}

function codeOf(error: unknown): ErrorCode {
  if (isWrongRevision(error)) return "CONFLICT";
  if (isStreamNotFound(error)) return "STREAM_NOT_FOUND";
  if (isStreamFull(error)) return "STREAM_FULL";
  const code = apiCode(error);
  const cause = causeOf(error);
  if (code === API.jetStreamDisabled || code === API.jetStreamDisabledForAccount) {
    return "JETSTREAM_DISABLED";
  }
  if (
    cause instanceof errors.AuthorizationError ||
    cause instanceof errors.UserAuthenticationExpiredError ||
    cause instanceof errors.PermissionViolationError
  ) {
    return "NOT_AUTHORIZED";
  }
  if (
    cause instanceof errors.ClosedConnectionError ||
    cause instanceof errors.DrainingConnectionError
  ) {
    return "CONNECTION_CLOSED";
  }
  return isOutcomeUnknown(error) ? "TIMEOUT" : "UNEXPECTED";
}

/** The docktor error for what a NATS call threw; `doing` names the attempt, as in "cannot …". */
export function fromNats(error: unknown, doing: string): DocktorError {
  if (error instanceof DocktorError) return error;
  const reason = messageOf(error);
  return new DocktorError(codeOf(error), `cannot ${doing}: ${reason}`, {
    cause: error,
  });
}
