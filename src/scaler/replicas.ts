/** Which replica runs which member, how many of them are ready, and which one is best let go. Pure. */
import type { Replica } from "./drivers/driver.ts";
import type { Replicas } from "./readings.ts";
import type { MemberSample } from "./signals/queue.ts";

/** A replica, and the member that runs in it, if that is known. */
export interface Crew {
  readonly replica: Replica;
  readonly member: MemberSample | undefined;
}

/** Containers have the first characters of their id for a host name, unless they were given another. */
const HOST_NAME_LENGTH = 12;

/** Finds the member of each replica: by the id that the replica was given, or by the host name in the member's own. */
export function crewsOf(
  replicas: readonly Replica[],
  members: readonly MemberSample[] | undefined,
): Crew[] {
  const living = (members ?? []).filter(({ state }) => state === "active" || state === "draining");
  return replicas.map((replica) => ({
    replica,
    member: living.find(({ id }) => runsIn(id, replica)),
  }));
}

function runsIn(memberId: string, { id, memberId: given }: Replica): boolean {
  if (given !== undefined) return memberId === given;
  return [id, id.slice(0, HOST_NAME_LENGTH)].some((host) => memberId.startsWith(`${host}-`));
}

/**
 * Counts them. A replica is ready once its member is in the group; where members cannot be told apart, as many are
 * ready as the group has members; and where nobody knows members, those that run.
 *
 * @param leaving the ids of those that are being stopped
 */
export function counted(
  crews: readonly Crew[],
  members: readonly MemberSample[] | undefined,
  leaving: ReadonlySet<string>,
): Replicas {
  const isLeaving = ({ replica, member }: Crew): boolean =>
    leaving.has(replica.id) || replica.state === "stopping" || member?.state === "draining";
  const draining = crews.filter(isLeaving);
  const staying = crews.filter((crew) => !isLeaving(crew));
  const running = staying.filter(({ replica }) => replica.state === "running");
  const failing = staying.filter(({ replica }) => replica.state === "failed").length;
  const all = (ready: number): Replicas => {
    const starting = staying.length - failing - ready;
    return { ready, starting, failing, draining: draining.length };
  };
  if (members === undefined) return all(running.length);
  const known = running.filter(({ member }) => member !== undefined);
  const unknown = running.filter(
    ({ replica, member }) => member === undefined && replica.memberId === undefined,
  );
  const taken = new Set(crews.flatMap(({ member }) => (member === undefined ? [] : [member.id])));
  const others = members.filter(({ id, state }) => state === "active" && !taken.has(id));
  return all(known.length + Math.min(unknown.length, others.length));
}

/**
 * The one to let go: one that fails, else one that is not in the group yet, else the one whose leaving moves the
 * fewest partitions, and of those the youngest. Undefined when there is none.
 */
export function victimOf(
  crews: readonly Crew[],
  leaving: ReadonlySet<string>,
): Crew | undefined {
  const cost = ({ replica, member }: Crew): number => {
    if (replica.state === "failed") return -2;
    return member?.partitions ?? -1;
  };
  const age = ({ member }: Crew): number => -(member?.startedAt ?? Infinity);
  const candidates = crews.filter(
    ({ replica, member }) =>
      !leaving.has(replica.id) && replica.state !== "stopping" && member?.state !== "draining",
  );
  return candidates.sort((a, b) => cost(a) - cost(b) || age(a) - age(b))[0];
}
