/** What the server refuses a consumer without an answer: requests for messages, and acks. */
import { errors, type Status } from "@nats-io/transport-node";
import type { DocktorError } from "../errors.ts";
import { fromNats } from "../nats/errors.ts";
import { durablePrefix } from "../partition/names.ts";

/** The refusal that the connection tells of, if it is one of the group's durables. */
export function refusalIn(
  change: Status,
  { stream, group }: { stream: string; group: string },
): DocktorError | undefined {
  if (change.type !== "error") return undefined;
  const { error } = change;
  if (!(error instanceof errors.PermissionViolationError)) return undefined;
  const { operation, subject } = error;
  // A caller's own connection may be refused what is not ours.
  const ours = subject.startsWith("$JS.") && subject.includes(`.${stream}.${durablePrefix(group)}`);
  return operation === "publish" && ours ? fromNats(error, `publish to ${subject}`) : undefined;
}
