/** Reads a group as it is at one moment, from outside: its members, its partitions, how far behind they are. */
import { RetentionPolicy } from "@nats-io/jetstream";
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
import type { GroupIdentity } from "../lease/roster.ts";
import type { Store } from "../lease/store.ts";
import type { Link } from "../nats/connection.ts";
import { readStream } from "../nats/stream.ts";
import { type MemberStatusState, readMembers, type SeenMember } from "./group-members.ts";
import { readLag } from "./lag.ts";
import { leasesBucket, membersBucket } from "./names.ts";
import type { Progressed } from "./rates.ts";
import { readTopology } from "./topology.ts";

/** How a member is whose process is there. */
const LIVE = new Set<MemberStatusState>(["active", "draining"]);

/** A partition at one moment, with what rates are computed from. */
export interface PartitionReading extends Progressed {
  readonly partition: number;
  /** The owner's member id; null when nobody owns it. */
  readonly owner: string | null;
  readonly epoch: number;
  /** The stream sequence up to which it is handled. */
  readonly checkpoint: number;
}

/** A group at one moment. */
export interface GroupReading {
  readonly members: readonly SeenMember[];
  readonly partitions: readonly PartitionReading[];
}

/** Which group is read. */
interface Scope {
  readonly identity: GroupIdentity;
  readonly workQueue: boolean;
  readonly partitions: number;
  /** The bucket of its members' sessions; undefined when somebody deleted it. */
  readonly sessions: Store | undefined;
}

/** Reads one group, again and again. */
export class GroupReader {
  /** The group's roster, leases and checkpoints. */
  readonly leases: Store;
  readonly #link: Link;
  readonly #scope: Scope;

  private constructor(link: Link, leases: Store, scope: Scope) {
    this.leases = leases;
    this.#link = link;
    this.#scope = scope;
  }

  /** The group of that name; undefined when it never had a member. @throws DocktorError STREAM_NOT_FOUND, TIMEOUT */
  static async find(link: Link, stream: string, group: string): Promise<GroupReader | undefined> {
    const { config } = await readStream(link.manager, stream);
    const leases = await findBucket(link, leasesBucket(stream, group));
    const entry = await leases?.get(ROSTER_KEY);
    if (leases === undefined || entry === undefined) return undefined;
    const { subject } = parseRoster(entry.value);
    const topology = await readTopology(link, { stream, subject });
    if (topology === undefined) return undefined;
    const sessions = await findBucket(link, membersBucket(stream, group));
    const workQueue = config.retention === RetentionPolicy.Workqueue;
    const { partitions } = topology;
    return new GroupReader(link, leases, {
      identity: { stream, subject, group },
      workQueue,
      partitions,
      sessions,
    });
  }

  /** @throws DocktorError GROUP_NOT_FOUND, STREAM_NOT_FOUND, TIMEOUT */
  static async open(link: Link, stream: string, group: string): Promise<GroupReader> {
    const found = await GroupReader.find(link, stream, group);
    if (found === undefined) throw notFound(stream, group);
    return found;
  }

  get identity(): GroupIdentity {
    return this.#scope.identity;
  }

  /** @throws DocktorError GROUP_NOT_FOUND, STREAM_NOT_FOUND, TIMEOUT */
  async read(): Promise<GroupReading> {
    const { identity, sessions, partitions: count } = this.#scope;
    const members = await readMembers(this.leases, sessions);
    if (members === undefined) throw notFound(identity.stream, identity.group);
    const live = new Set(members.filter(({ state }) => LIVE.has(state)).map(({ id }) => id));
    const partitions = await Promise.all(
      Array.from({ length: count }, (_, partition) => this.#readPartition(partition, live)),
    );
    return { members, partitions };
  }

  async #readPartition(partition: number, live: ReadonlySet<string>): Promise<PartitionReading> {
    const [leaseEntry, checkpointEntry] = await Promise.all([
      this.leases.get(leaseKey(partition)),
      this.leases.get(checkpointKey(partition)),
    ]);
    const lease = leaseEntry && parseLease(leaseEntry.key, leaseEntry.value);
    const [owner, epoch] = [lease?.owner ?? null, lease?.epoch ?? 0];
    const record = checkpointEntry && parseCheckpoint(checkpointEntry.key, checkpointEntry.value);
    const { epoch: sealed = 0, sequence: checkpoint = 0, delivered = 0 } = record ?? {};
    const { identity, workQueue } = this.#scope;
    const lag = await readLag({
      ...identity,
      workQueue,
      link: this.#link,
      partition,
      checkpoint: record,
      owned: owner !== null && live.has(owner),
    });
    return { partition, owner, epoch, checkpoint, lag, sealed, delivered };
  }
}

function notFound(stream: string, group: string): DocktorError {
  return new DocktorError(
    "GROUP_NOT_FOUND",
    `no group ${group} on stream ${stream}: look at the names; a group is there once its first member has joined`,
  );
}
