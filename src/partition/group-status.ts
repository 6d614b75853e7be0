/** What a group is doing: its members, its partitions, how far behind they are. */
import { systemClock } from "../clock.ts";
import { type ConnectionSource, openLink } from "../nats/connection.ts";
import { type Names, refuseUnknown } from "../options.ts";
import type { MemberStatusState } from "./group-members.ts";
import { type GroupReading, GroupReader } from "./group-reader.ts";
import { checkName } from "./names.ts";
import { rates } from "./rates.ts";

/** Which group to describe. */
export interface DescribeGroupOptions extends ConnectionSource {
  readonly stream: string;
  readonly group: string;
  /** How long to watch the group for its rates, in milliseconds. Default 500; 0 leaves them at 0. */
  readonly sampleMs?: number;
}

const DESCRIBE_OPTIONS: Names<DescribeGroupOptions> = {
  servers: true,
  connection: true,
  stream: true,
  group: true,
  sampleMs: true,
};

/** One member of a group. */
export interface MemberStatus {
  readonly id: string;
  readonly state: MemberStatusState;
  /** The partitions leased by it, sorted. */
  readonly partitions: readonly number[];
  /** When it joined, ISO 8601, by its own clock. */
  readonly startedAt: string;
}

/** One partition of a group. */
export interface PartitionStatus {
  readonly partition: number;
  /** The owner's member id; null when nobody owns it. */
  readonly owner: string | null;
  readonly epoch: number;
  /** The stream sequence up to which it is handled. */
  readonly checkpoint: number;
  /** Messages stored and not yet handled for good. */
  readonly lag: number;
}

/** A group at one moment. */
export interface GroupStatus {
  readonly stream: string;
  readonly group: string;
  readonly members: readonly MemberStatus[];
  readonly partitions: readonly PartitionStatus[];
  /** Over all partitions; rates are messages per second. */
  readonly totals: { readonly lag: number; readonly rateIn: number; readonly rateOut: number };
}

/**
 * Describes a group, with or without live members.
 *
 * @throws DocktorError INVALID_OPTION, GROUP_NOT_FOUND, STREAM_NOT_FOUND and those of the connection
 */
export async function describeGroup(options: DescribeGroupOptions): Promise<GroupStatus> {
  refuseUnknown(options, DESCRIBE_OPTIONS);
  const stream = checkName("stream", options.stream);
  const group = checkName("group", options.group);
  const link = await openLink(options, `docktor status ${group}`);
  try {
    const reader = await GroupReader.open(link, stream, group);
    const first = await reader.read();
    const sampleMs = options.sampleMs ?? 500;
    if (sampleMs === 0) return report(stream, group, first, first, 0);
    const begunAt = systemClock.now();
    await systemClock.sleep(sampleMs);
    const second = await reader.read();
    return report(stream, group, first, second, systemClock.now() - begunAt);
  } finally {
    await link.close();
  }
}

function report(
  stream: string,
  group: string,
  before: GroupReading,
  now: GroupReading,
  elapsedMs: number,
): GroupStatus {
  const { rateIn, rateOut } = rates(before.partitions, now.partitions, elapsedMs);
  const { partitions } = now;
  const lag = partitions.reduce((sum, partition) => sum + partition.lag, 0);
  const members = now.members.map(({ id, state, startedAt }) => ({
    id,
    state,
    partitions: partitions.flatMap(({ partition, owner }) => (owner === id ? [partition] : [])),
    startedAt: new Date(startedAt).toISOString(),
  }));
  return {
    stream,
    group,
    members,
    partitions: partitions.map(
      ({ sealed: _sealed, delivered: _delivered, ...partition }) => partition,
    ),
    totals: { lag, rateIn, rateOut },
  };
}
