/** Which replica runs which member, how many of them are ready, and which one is best let go. Pure. */
import type { Replica } from "./drivers/driver.ts";
import type { Replicas } from "./policy/readings.ts";
import type { MemberSample } from "./signals/queue.ts";

/** A replica, and the member that runs in it, if that is known. */
export interface ReplicaWithMember {
  readonly replica: Replica;
  readonly member: MemberSample | undefined;
}

/** Containers have the first characters of their id for a host name, unless they were given another. */
const HOST_NAME_LENGTH = 12;

/**
 * Finds the member of each replica: by the id that the replica was given, or by how the id of a member begins that was
 * given none: with the name of its host, which is the container's or the pod's.
 */
export function withMembers(
  replicas: readonly Replica[],
  members: readonly MemberSample[] | undefined,
): ReplicaWithMember[] {
  const living = (members ?? []).filter(({ state }) => state === "active" || state === "draining");
  return replicas.map((replica) => ({
    replica,
    member: living.find(({ id }) => runsIn(id, replica)),
  }));
}

function runsIn(memberId: string, replica: Replica): boolean {
  const { id, name, memberId: given, unnamedMember } = replica;
  if (memberId === given) return true;
  const hosts = given === undefined ? [id, id.slice(0, HOST_NAME_LENGTH), name] : [];
  return [...hosts, unnamedMember].some(
    (prefix) => prefix !== undefined && memberId.startsWith(`${prefix}-`),
  );
}

/**
 * Counts them. A replica is ready once its member is in the group; where members cannot be told apart, as many are
 * ready as the group has members; and where nobody knows members, those that run.
 *
 * @param leaving the ids of those that are being stopped
 */
export function countReplicas(
  all: readonly ReplicaWithMember[],
  members: readonly MemberSample[] | undefined,
  leaving: ReadonlySet<string>,
): Replicas {
  const isLeaving = ({ replica, member }: ReplicaWithMember): boolean =>
    leaving.has(replica.id) || replica.state === "stopping" || member?.state === "draining";
  const draining = all.filter(isLeaving);
  const staying = all.filter((each) => !isLeaving(each));
  const running = staying.filter(({ replica }) => replica.state === "running");
  const failing = staying.filter(({ replica }) => replica.state === "failed").length;
  const counts = (ready: number): Replicas => {
    const starting = staying.length - failing - ready;
    return { ready, starting, failing, draining: draining.length };
  };
  if (members === undefined) return counts(running.length);
  const known = running.filter(({ member }) => member !== undefined);
  // Also one that was given an id, and does not use it.
  const unknown = running.filter(({ member }) => member === undefined);
  const taken = new Set(all.flatMap(({ member }) => (member === undefined ? [] : [member.id])));
  const others = members.filter(({ id, state }) => state === "active" && !taken.has(id));
  return counts(known.length + Math.min(unknown.length, others.length));
}

/**
 * The one to let go: one that fails, else one that is not in the group yet, else the one whose leaving moves the
 * fewest partitions, and of those the youngest. Undefined when there is none.
 */
export function victimOf(
  all: readonly ReplicaWithMember[],
  leaving: ReadonlySet<string>,
): ReplicaWithMember | undefined {
  const cost = ({ replica, member }: ReplicaWithMember): number => {
    if (replica.state === "failed") return -2;
    return member?.partitions ?? -1;
  };
  const age = ({ member }: ReplicaWithMember): number => -(member?.startedAt ?? Infinity);
  const candidates = all.filter(
    ({ replica, member }) =>
      !leaving.has(replica.id) && replica.state !== "stopping" && member?.state !== "draining",
  );
  return candidates.sort((a, b) => cost(a) - cost(b) || age(a) - age(b))[0];
}
