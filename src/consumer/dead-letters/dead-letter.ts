/** A message set aside: what is stored of it, and under which subject. */
import { createHash } from "node:crypto";
import type { DeadLetterReason } from "../../events.ts";
import type { MessageHeaders } from "../../nats/headers.ts";
import { KEY_HEADER } from "../../partition/names.ts";

/** A message set aside by a group, with all that it was published with. */
export interface DeadLetter {
  readonly group: string;
  readonly partition: number;
  readonly key: string | undefined;
  readonly reason: DeadLetterReason;
  /** How often its handler was called. */
  readonly attempts: number;
  /** What the last failure said. */
  readonly error: string;
  /** The member that set it aside. */
  readonly memberId: string;
  /** Where it was: its subject, its sequence in the stream, and when it was stored there. */
  readonly origin: {
    readonly subject: string;
    readonly sequence: number;
    readonly timestamp: Date;
  };
  readonly headers: MessageHeaders | undefined;
  readonly data: Uint8Array;
}

/** The subject root, apart from the user's subjects, which a stream may store with wildcards. */
const ROOT = "docktor.dlq";

const PREFIX = "Docktor-Dead-Letter-";

/** What says where a message was, and why it is here. */
const FIELDS = [
  "Group",
  "Partition",
  "Reason",
  "Attempts",
  "Error",
  "Member",
  "Subject",
  "Sequence",
  "Timestamp",
] as const;

/**
 * Headers that mean something to the server, such as a stream that it is to expect, or to docktor: a
 * letter keeps them under other names. Wherever in the name it stands: nats-server 2.9 does not find
 * `Nats-Msg-Id` behind a header whose name ends like that.
 */
const MEANINGFUL = /(nats|docktor)-/i;
const KEPT = `${PREFIX}Header-`;

/** The stream of a stream's dead letters. */
export function deadLetterStream(stream: string): string {
  return `${stream}_DLQ`;
}

/** The subjects of all dead letters of a stream; of one group or partition if they are given. */
export function deadLetterSubjects(stream: string, group = "*", partition?: number): string {
  return `${ROOT}.${stream}.${group}.${partition ?? "*"}.*`;
}

/** The subject of one key's dead letters: a key may be long and have dots, its digest has not. */
export function deadLetterSubject(
  stream: string,
  { group, partition, key }: Pick<DeadLetter, "group" | "partition" | "key">,
): string {
  return `${ROOT}.${stream}.${group}.${partition}.${keyToken(key)}`;
}

/** Stands for a key in a subject. Messages without a key count as one key. */
export function keyToken(key: string | undefined): string {
  if (key === undefined) return "-";
  return createHash("sha256").update(key).digest("hex").slice(0, 32);
}

/** The headers to store a dead letter with: its own, and docktor's. */
export function encodeDeadLetter(letter: DeadLetter): MessageHeaders {
  const { key, origin, error, headers = {} } = letter;
  const own = Object.entries(headers).map(([name, value]) => [
    MEANINGFUL.test(name) ? KEPT + name.replaceAll("-", "_-") : name,
    value,
  ]);
  return {
    ...Object.fromEntries(own),
    ...(key === undefined ? {} : { [KEY_HEADER]: key }),
    [`${PREFIX}Group`]: letter.group,
    [`${PREFIX}Partition`]: String(letter.partition),
    [`${PREFIX}Reason`]: letter.reason,
    [`${PREFIX}Attempts`]: String(letter.attempts),
    // A header is one line, and loses the spaces around it.
    [`${PREFIX}Error`]: error.replace(/[\r\n\0]+/g, " ").trim(),
    [`${PREFIX}Member`]: letter.memberId,
    [`${PREFIX}Subject`]: origin.subject,
    [`${PREFIX}Sequence`]: String(origin.sequence),
    [`${PREFIX}Timestamp`]: origin.timestamp.toISOString(),
  };
}

/** The dead letter that was stored with these headers; undefined when they are not docktor's. */
export function decodeDeadLetter(stored: MessageHeaders, data: Uint8Array): DeadLetter | undefined {
  if (FIELDS.some((name) => typeof stored[PREFIX + name] !== "string")) return undefined;
  const field = (name: (typeof FIELDS)[number]): string => String(stored[PREFIX + name]);
  const key = stored[KEY_HEADER];
  const own = Object.entries(stored).flatMap(([name, value]) => {
    if (name.startsWith(KEPT)) return [[name.slice(KEPT.length).replaceAll("_-", "-"), value]];
    return MEANINGFUL.test(name) ? [] : [[name, value]];
  });
  return {
    group: field("Group"),
    partition: Number(field("Partition")),
    key: typeof key === "string" ? key : undefined,
    reason: field("Reason") as DeadLetterReason,
    attempts: Number(field("Attempts")),
    error: field("Error"),
    memberId: field("Member"),
    origin: {
      subject: field("Subject"),
      sequence: Number(field("Sequence")),
      timestamp: new Date(field("Timestamp")),
    },
    headers: own.length === 0 ? undefined : Object.fromEntries(own),
    data,
  };
}
