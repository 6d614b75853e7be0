/** A docktor group, as the scaler sees it. */
import type { JetStreamManager } from "@nats-io/jetstream";
import { type Clock, systemClock } from "../../clock.ts";
import { DocktorError, toDocktorError } from "../../errors.ts";
import { changeRoster, readRoster, withMember } from "../../lease/roster.ts";
import type { Link } from "../../nats/connection.ts";
import {
  type GroupReader,
  type GroupReading,
  type PartitionReading,
} from "../../partition/group-reader.ts";
import { partitionSubject } from "../../partition/names.ts";
import { oldestMs } from "./age.ts";
import type { MemberSample, QueueSample } from "./queue.ts";

/** How often it is looked whether a member has left. */
const LOOK_MS = 100;

/** Reads the group. */
export async function sampleGroup(
  manager: JetStreamManager,
  reader: GroupReader,
  clock: Clock = systemClock,
): Promise<QueueSample> {
  const reading = await reader.read();
  const { partitions } = reading;
  const backlog = partitions.reduce((sum, { lag }) => sum + lag, 0);
  return {
    at: clock.now(),
    backlog,
    lag: backlog,
    oldestMs: await ageOfOldest(manager, reader, partitions),
    parts: partitions.map(({ sealed, delivered, lag }) => ({
      counter: String(sealed),
      handled: delivered,
      backlog: lag,
    })),
    partitioned: true,
    members: membersOf(reading),
    rebalancing: isRebalancing(reading),
  };
}

/** A group that nobody has joined yet: its backlog is what its partitions' subjects hold. */
export async function sampleBeforeJoin(
  link: Link,
  { stream, subject, partitions }: { stream: string; subject: string; partitions: number },
  clock: Clock = systemClock,
): Promise<QueueSample> {
  const { state } = await link.manager.streams.info(stream, {
    subjects_filter: `${subject}.p.*`,
  });
  const parts = Array.from({ length: partitions }, (_, partition) => ({
    counter: "none",
    handled: 0,
    backlog: state.subjects?.[partitionSubject(subject, partition)] ?? 0,
  }));
  const backlog = parts.reduce((sum, part) => sum + part.backlog, 0);
  return {
    at: clock.now(),
    backlog,
    lag: backlog,
    oldestMs: undefined,
    parts,
    partitioned: true,
    members: [],
    rebalancing: false,
  };
}

/**
 * Has this life of the member leave for good, by a word in the roster, and waits until it is gone from there.
 *
 * @throws DocktorError TIMEOUT; the signal's reason when it aborts first
 */
export async function drainMember(
  { leases, identity }: GroupReader,
  { id, incarnation }: Pick<MemberSample, "id" | "incarnation">,
  signal: AbortSignal,
  clock: Clock = systemClock,
): Promise<void> {
  const mark = async (): Promise<boolean> => {
    await changeRoster(leases, identity, (roster) => {
      const member = roster?.members[id];
      if (roster === undefined || member?.incarnation !== incarnation) return undefined;
      if (member.state === "draining") return undefined;
      return withMember(roster, id, { ...member, state: "draining" });
    });
    return true;
  };
  const isGone = async (): Promise<boolean> => {
    const members = (await readRoster(leases, identity))?.roster.members;
    return members?.[id]?.incarnation !== incarnation;
  };
  for (const step of [mark, isGone]) {
    while (!(await unlessUnreachable(step))) await clock.sleep(LOOK_MS, signal);
  }
}

/** A server that does not answer for a moment is no reason to stop a member that is handing over: false, and again. */
async function unlessUnreachable(step: () => Promise<boolean>): Promise<boolean> {
  try {
    return await step();
  } catch (error) {
    if (toDocktorError(error).retriable) return false;
    throw error;
  }
}

function membersOf({ members, partitions }: GroupReading): MemberSample[] {
  return members.map((member) => ({
    ...member,
    partitions: partitions.filter(({ owner }) => owner === member.id).length,
  }));
}

/** Whether somebody has yet to take or to give a partition. */
function isRebalancing({ members, partitions }: GroupReading): boolean {
  const active = members.filter(({ state }) => state === "active").map(({ id }) => id);
  if (active.length === 0) return false;
  const sizes = new Map(active.map((id) => [id, 0]));
  for (const { owner } of partitions) {
    const size = owner === null ? undefined : sizes.get(owner);
    if (owner === null || size === undefined) return true;
    sizes.set(owner, size + 1);
  }
  return Math.max(...sizes.values()) - Math.min(...sizes.values()) > 1;
}

/** Of the partition that is furthest behind: to ask for each would cost the server more than it tells. */
async function ageOfOldest(
  manager: JetStreamManager,
  { identity }: GroupReader,
  partitions: readonly PartitionReading[],
): Promise<number | undefined> {
  const [first, ...others] = partitions;
  if (first === undefined)
    throw new DocktorError("READING_UNAVAILABLE", "the group has no partitions");
  const furthest = others.reduce((most, each) => (each.lag > most.lag ? each : most), first);
  if (furthest.lag === 0) return undefined;
  const { stream, subject } = identity;
  const { partition, checkpoint } = furthest;
  return await oldestMs(manager, stream, partitionSubject(subject, partition), checkpoint);
}
