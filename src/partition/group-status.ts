/** What a group is doing: its members, its partitions, how far behind they are. */
import { RetentionPolicy } from "@nats-io/jetstream";
import { systemClock } from "../clock.ts";
import { DocktorError } from "../errors.ts";
import { findBucket } from "../lease/kv-store.ts";
import {
  checkpointKey,
  leaseKey,
  parseCheckpoint,
  parseLease,
  parseRoster,
  ROSTER_KEY,
} from "../lease/records.ts";
import type { Store } from "../lease/store.ts";
import { type ConnectionSource, type Link, openLink } from "../nats/connection.ts";
import { readStream } from "../nats/stream.ts";
import { type Names, refuseUnknown } from "../options.ts";
import { type MemberStatusState, readMembers } from "./group-members.ts";
import { readLag } from "./lag.ts";
import { checkName, leasesBucket, membersBucket } from "./names.ts";
import { type Progressed, rates } from "./rates.ts";
import { readTopology } from "./topology.ts";

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
    if (sampleMs === 0) return reader.report(first, first, 0);
    const begunAt = systemClock.now();
    await systemClock.sleep(sampleMs);
    const second = await reader.read();
    return reader.report(first, second, systemClock.now() - begunAt);
  } finally {
    await link.close();
  }
}

/** How a member is whose process is there. */
const LIVE = new Set<MemberStatusState>(["active", "draining"]);

/** Which group is read. */
interface Scope {
  readonly stream: string;
  readonly group: string;
  readonly workQueue: boolean;
  readonly subject: string;
  readonly partitions: number;
  /** The bucket of its members' sessions; undefined when somebody deleted it. */
  readonly sessions: Store | undefined;
}

/** A partition at one moment, with what rates are computed from. */
interface PartitionReading extends PartitionStatus, Progressed {}

interface Reading {
  readonly members: readonly MemberStatus[];
  readonly partitions: readonly PartitionReading[];
}

class GroupReader {
  readonly #link: Link;
  readonly #store: Store;
  readonly #scope: Scope;

  private constructor(link: Link, store: Store, scope: Scope) {
    this.#link = link;
    this.#store = store;
    this.#scope = scope;
  }

  static async open(link: Link, stream: string, group: string): Promise<GroupReader> {
    const { config } = await readStream(link.manager, stream);
    const store = await findBucket(link, leasesBucket(stream, group));
    const entry = await store?.get(ROSTER_KEY);
    if (store === undefined || entry === undefined) throw notFound(stream, group);
    const { subject } = parseRoster(entry.value);
    const topology = await readTopology(link, { stream, subject });
    if (topology === undefined) throw notFound(stream, group);
    const sessions = await findBucket(link, membersBucket(stream, group));
    const { partitions } = topology;
    const workQueue = config.retention === RetentionPolicy.Workqueue;
    return new GroupReader(link, store, {
      stream,
      group,
      workQueue,
      subject,
      partitions,
      sessions,
    });
  }

  async read(): Promise<Reading> {
    const { stream, group, sessions, partitions: count } = this.#scope;
    const seen = await readMembers(this.#store, sessions);
    if (seen === undefined) throw notFound(stream, group);
    const live = new Set(seen.filter(({ state }) => LIVE.has(state)).map(({ id }) => id));
    const partitions = await Promise.all(
      Array.from({ length: count }, (_, partition) => this.#readPartition(partition, live)),
    );
    const members = seen.map(({ id, state, startedAt }) => ({
      id,
      state,
      partitions: partitions.flatMap(({ partition, owner }) => (owner === id ? [partition] : [])),
      startedAt: new Date(startedAt).toISOString(),
    }));
    return { members, partitions };
  }

  report(before: Reading, now: Reading, elapsedMs: number): GroupStatus {
    const { rateIn, rateOut } = rates(before.partitions, now.partitions, elapsedMs);
    const lag = now.partitions.reduce((sum, partition) => sum + partition.lag, 0);
    const { stream, group } = this.#scope;
    return {
      stream,
      group,
      members: now.members,
      partitions: now.partitions.map(
        ({ sealed: _sealed, delivered: _delivered, ...partition }) => partition,
      ),
      totals: { lag, rateIn, rateOut },
    };
  }

  async #readPartition(partition: number, live: ReadonlySet<string>): Promise<PartitionReading> {
    const [leaseEntry, checkpointEntry] = await Promise.all([
      this.#store.get(leaseKey(partition)),
      this.#store.get(checkpointKey(partition)),
    ]);
    const lease = leaseEntry && parseLease(leaseEntry.key, leaseEntry.value);
    const [owner, epoch] = [lease?.owner ?? null, lease?.epoch ?? 0];
    const record = checkpointEntry && parseCheckpoint(checkpointEntry.key, checkpointEntry.value);
    const { epoch: sealed = 0, sequence: checkpoint = 0, delivered = 0 } = record ?? {};
    const owned = owner !== null && live.has(owner);
    const options = { ...this.#scope, link: this.#link, partition, checkpoint: record, owned };
    const lag = await readLag(options);
    return { partition, owner, epoch, checkpoint, lag, sealed, delivered };
  }
}

function notFound(stream: string, group: string): DocktorError {
  return new DocktorError(
    "GROUP_NOT_FOUND",
    `no group ${group} on stream ${stream}: look at the names; a group is there once its first member has joined`,
  );
}
