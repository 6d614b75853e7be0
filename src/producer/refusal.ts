/** What to make of a message that was refused or never confirmed, in words. */
import { DocktorError, type ErrorCode } from "../errors.ts";
import { type Pending, mayBeStored } from "./message.ts";
import type { ApiError } from "./wire.ts";

/** The server's own error numbers. */
const API = {
  accountResourcesExceeded: 10002,
  clusterNotAssigned: 10007,
  clusterNotLeader: 10009,
  insufficientResources: 10023,
  memoryResourcesExceeded: 10028,
  storageResourcesExceeded: 10047,
  messageExceedsMaximum: 10054,
  storeFailed: 10077,
  headersExceedMaximum: 10097,
  duplicateInProcess: 10158,
} as const;

/** Whether the message can only be stored after someone changes something; else retry. */
export function isFinal(error: ApiError): boolean {
  switch (error.code) {
    case API.storeFailed:
      // The same number also covers a store that is just being closed or moved.
      return isStreamLimit(error) || isDiskFull(error);
    case API.insufficientResources:
      return true;
    case API.clusterNotAssigned:
    case API.clusterNotLeader:
    case API.duplicateInProcess:
      return false;
    default:
      return error.status !== 503 && error.status !== 429;
  }
}

function isStreamLimit(error: ApiError): boolean {
  return error.description.startsWith("maximum ");
}

function isDiskFull(error: ApiError): boolean {
  return /no space|disk/i.test(error.description);
}

/** The error for a message that the server refused for good. */
export function refusalError(stream: string, pending: Pending, error: ApiError): DocktorError {
  const [code, message] = explain(stream, pending.message.size, error);
  const doubt = mayBeStored(pending)
    ? "; an earlier attempt got no answer, so it may be stored all the same"
    : "";
  return new DocktorError(code, message + doubt, { cause: error });
}

function explain(stream: string, size: number, error: ApiError): [ErrorCode, string] {
  const { code, description } = error;
  switch (code) {
    case API.storeFailed:
      if (isDiskFull(error)) return noRoom(stream, description);
      if (!isStreamLimit(error)) break;
      return [
        "STREAM_FULL",
        `stream ${stream} is full (${description}): raise its limits, remove messages from it, or set its discard policy to old`,
      ];
    case API.accountResourcesExceeded:
    case API.insufficientResources:
    case API.memoryResourcesExceeded:
    case API.storageResourcesExceeded:
      return noRoom(stream, description);
    case API.messageExceedsMaximum:
      return [
        "PAYLOAD_TOO_LARGE",
        `the message has ${size} bytes with its headers, more than stream ${stream} accepts: raise its max_msg_size, or send less`,
      ];
    case API.headersExceedMaximum:
      return [
        "PAYLOAD_TOO_LARGE",
        `the message's headers are too large for a stream (${description}): send less in them`,
      ];
  }
  return [
    "PUBLISH_REJECTED",
    `stream ${stream} refused the message: ${description} (error ${code})`,
  ];
}

function noRoom(stream: string, description: string): [ErrorCode, string] {
  return [
    "STREAM_FULL",
    `the server has no room left for stream ${stream} (${description}): free disk space, or raise the limits of JetStream or of the account`,
  ];
}

/** The error for a message that another stream than the wanted one stored. */
export function wrongStreamError(stream: string, pending: Pending, other: string): DocktorError {
  return new DocktorError(
    "PUBLISH_REJECTED",
    `${pending.message.subject} is stored by stream ${other} now, not by ${stream}, and ${other} has the message: use that stream, or give the subject back to ${stream}`,
  );
}

/** The error for a message that was not confirmed in time. */
export function timeoutError(stream: string, pending: Pending): DocktorError {
  const { attempts, reason, message } = pending;
  const because = reason === undefined ? "" : ` (${reason})`;
  const tries = attempts === 1 ? "one attempt" : `${attempts} attempts`;
  if (attempts === 0) {
    return new DocktorError(
      "PUBLISH_TIMEOUT",
      `the message was not sent: stream ${stream} has confirmed nothing for too long; see that the server is up, and publish it again`,
    );
  }
  if (!mayBeStored(pending)) {
    return new DocktorError(
      "PUBLISH_TIMEOUT",
      `the message is not stored: stream ${stream} took it in none of ${tries}${because}; see that the stream exists and has room on its disk, and publish it again`,
    );
  }
  return new DocktorError(
    "PUBLISH_TIMEOUT",
    `the message may or may not be stored: stream ${stream} did not confirm it after ${tries}${because}; see that the server is up and its disk not full. To publish it again without storing it twice, use messageId ${JSON.stringify(message.messageId)} within the stream's duplicate_window`,
  );
}

/** What ended the producer, as the error for one of its messages. */
export function endedError(error: DocktorError, outcome: string): DocktorError {
  return new DocktorError(error.code, `${error.message}; the message ${outcome}`, {
    cause: error,
  });
}
