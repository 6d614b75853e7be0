/** What a group is doing: its members, its partitions, how far behind they are. */
import { AckPolicy, type ConsumerInfo, DeliverPolicy } from "@nats-io/jetstream";
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
import { findConsumer } from "../nats/consumer.ts";
import { type ConnectionSource, type Link, openLink } from "../nats/connection.ts";
import { fromNats } from "../nats/errors.ts";
import { readStream } from "../nats/stream.ts";
import { type Names, refuseUnknown } from "../options.ts";
import { type MemberStatusState, readMembers } from "./group-members.ts";
import { checkName, durableName, leasesBucket, membersBucket, partitionSubject } from "./names.ts";
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

/** Which group is read. */
interface Scope {
  readonly stream: string;
  readonly group: string;
  readonly subject: string;
  readonly partitions: number;
  /** The bucket of its members' sessions; undefined when somebody deleted it. */
  readonly sessions: Store | undefined;
}

/** A partition at one moment, with what rates are computed from. */
interface PartitionReading extends PartitionStatus {
  /** The epoch that the checkpoint is of. */
  readonly sealed: number;
  /** Messages handled in that epoch. */
  readonly handled: number;
}

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
    await readStream(link.manager, stream);
    const store = await findBucket(link, leasesBucket(stream, group));
    const entry = await store?.get(ROSTER_KEY);
    if (store === undefined || entry === undefined) throw notFound(stream, group);
    const { subject } = parseRoster(entry.value);
    const topology = await readTopology(link, { stream, subject });
    if (topology === undefined) throw notFound(stream, group);
    const sessions = await findBucket(link, membersBucket(stream, group));
    const { partitions } = topology;
    return new GroupReader(link, store, { stream, group, subject, partitions, sessions });
  }

  async read(): Promise<Reading> {
    const { stream, group, sessions, partitions: count } = this.#scope;
    const seen = await readMembers(this.#store, sessions);
    if (seen === undefined) throw notFound(stream, group);
    const partitions = await Promise.all(
      Array.from({ length: count }, (_, partition) => this.#readPartition(partition)),
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
        ({ sealed: _sealed, handled: _handled, ...partition }) => partition,
      ),
      totals: { lag, rateIn, rateOut },
    };
  }

  async #readPartition(partition: number): Promise<PartitionReading> {
    const [leaseEntry, checkpointEntry] = await Promise.all([
      this.#store.get(leaseKey(partition)),
      this.#store.get(checkpointKey(partition)),
    ]);
    const lease = leaseEntry && parseLease(leaseEntry.key, leaseEntry.value);
    const record = checkpointEntry && parseCheckpoint(checkpointEntry.key, checkpointEntry.value);
    const { epoch: sealed = 0, sequence: checkpoint = 0, delivered: handled = 0 } = record ?? {};
    const durable = await this.#findDurable(partition, sealed);
    // What was delivered beyond the checkpoint is under way, or was when its owner died.
    const lag =
      durable === undefined
        ? await this.#countAfter(partition, checkpoint)
        : durable.num_pending + Math.max(0, durable.delivered.consumer_seq - handled);
    const [owner, epoch] = [lease?.owner ?? null, lease?.epoch ?? 0];
    return { partition, owner, epoch, checkpoint, lag, sealed, handled };
  }

  async #findDurable(partition: number, epoch: number): Promise<ConsumerInfo | undefined> {
    if (epoch === 0) return undefined;
    const name = durableName(this.#scope.group, partition, epoch);
    return await findConsumer(this.#link.manager, this.#scope.stream, name);
  }

  /** Counts what lies behind the checkpoint of a partition that has no durable now. */
  async #countAfter(partition: number, checkpoint: number): Promise<number> {
    const { consumers } = this.#link.manager;
    try {
      const counter = await consumers.add(this.#scope.stream, {
        ack_policy: AckPolicy.None,
        deliver_policy: DeliverPolicy.StartSequence,
        opt_start_seq: checkpoint + 1,
        filter_subject: partitionSubject(this.#scope.subject, partition),
        mem_storage: true,
      });
      await consumers.delete(this.#scope.stream, counter.name);
      return counter.num_pending;
    } catch (error) {
      throw fromNats(error, `count the messages of partition ${partition}`);
    }
  }
}

/** Messages per second in and out; a partition that changed hands meanwhile is left out. */
function rates(
  before: readonly PartitionReading[],
  now: readonly PartitionReading[],
  elapsedMs: number,
): { rateIn: number; rateOut: number } {
  let [arrived, handled] = [0, 0];
  for (const [i, current] of now.entries()) {
    const earlier = before[i];
    if (earlier?.sealed !== current.sealed) continue;
    const done = current.handled - earlier.handled;
    handled += done;
    arrived += Math.max(0, done + current.lag - earlier.lag);
  }
  const perSecond = (count: number): number =>
    elapsedMs === 0 ? 0 : Math.round((count / elapsedMs) * 10_000) / 10;
  return { rateIn: perSecond(arrived), rateOut: perSecond(handled) };
}

function notFound(stream: string, group: string): DocktorError {
  return new DocktorError(
    "GROUP_NOT_FOUND",
    `no group ${group} on stream ${stream}: look at its name; it is there once its first member has joined, as by "docktor consume --stream ${stream} --group ${group}"`,
  );
}
