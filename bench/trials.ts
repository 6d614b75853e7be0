/** What is done to a group again and again, and what is measured of it. */
import { setTimeout as sleep } from "node:timers/promises";
import { now, until } from "./clock.ts";
import type { Group } from "./group.ts";
import type { Observer } from "./observer.ts";

/**
 * Hand-overs: a guest joins and leaves until there were so many. Measured from when an owner starts
 * no more handlers to the first message at the next one.
 */
export async function handovers(
  group: Group,
  count: number,
): Promise<{ gaps: number[]; repeated: number }> {
  // Only the round's: to search through all of them would slow down the producer in this process.
  const round = async (): Promise<number[]> => {
    const [releases, firsts] = [group.released.length, group.firsts.length];
    await group.join("guest");
    await group.leave("guest");
    const gaps = (): (number | undefined)[] =>
      gapsOf(group.released.slice(releases), group.firsts.slice(firsts));
    await until(() => !gaps().includes(undefined));
    return gaps().filter((gap) => gap !== undefined);
  };
  // The first round warms the guest's process up.
  await round();
  group.forget();
  const gaps: number[] = [];
  while (gaps.length < count) gaps.push(...(await round()));
  return { gaps, repeated: repeatedIn(group) };
}

/** From each release to the first message of the next epoch; undefined where none has come yet. */
function gapsOf(released: Group["released"], firsts: Group["firsts"]): (number | undefined)[] {
  return released.map(({ partition, epoch, at }) => {
    const next = firsts.find((first) => first.partition === partition && first.epoch > epoch);
    return next && next.at - at;
  });
}

/** How many messages were handled twice: within an epoch, or at the end of one and in the next. */
function repeatedIn({ released }: Group): number {
  const byEpoch = new Map(
    released.map(({ partition, epoch, handled }) => [`${partition}/${epoch}`, handled]),
  );
  let repeated = 0;
  for (const { partition, epoch, handled } of released) {
    repeated += handled?.repeated ?? 0;
    const next = byEpoch.get(`${partition}/${epoch + 1}`);
    if (handled !== undefined && next !== undefined && next.first <= handled.last) repeated++;
  }
  return repeated;
}

/**
 * Crashes: a member is killed and started again. Measured, for each of its partitions, from the kill
 * to the first message at another member; and from the start of the new process to a message on
 * each partition that it gets.
 */
export async function crashes(
  group: Group,
  members: readonly string[],
  count: number,
): Promise<{ failovers: number[]; rejoins: number[] }> {
  const [failovers, rejoins]: [number[], number[]] = [[], []];
  for (let i = 0; i < count; i++) {
    const victim = members[i % members.length] ?? "";
    group.forget();
    const orphans = group.partitionsOf(victim);
    const killedAt = group.kill(victim);
    const resumedAt = await firstsAfter(group, orphans, killedAt);
    for (const at of resumedAt) failovers.push(at - killedAt);
    const startedAt = now();
    await group.join(victim);
    rejoins.push(await handling(group, victim, startedAt));
  }
  return { failovers, rejoins };
}

/** What a pause is found to do. */
export interface Fenced {
  /** From when the sleeper goes on to when it has told that its last partition is lost. */
  readonly delays: number[];
  /** From when it goes on to a message on each partition that it gets again. */
  readonly rejoins: number[];
  /** Handlers that the sleeper started after the first message at the next owner. */
  readonly lateStarts: number;
  /** Its commits that the server accepted after the next owner's seal. */
  readonly lateCommits: number;
  /** Its acks that the server got after it woke up. */
  readonly lateAcks: number;
}

/** Pauses: a member's process is stopped for three times the TTL while others take over. */
export async function pauses(
  group: Group,
  observer: Observer,
  members: readonly string[],
  { count, ttlMs }: { count: number; ttlMs: number },
): Promise<Fenced> {
  const [delays, rejoins]: [number[], number[]] = [[], []];
  let [lateStarts, lateAcks] = [0, 0];
  for (let i = 0; i < count; i++) {
    const sleeper = members[i % members.length] ?? "";
    group.forget();
    const owned = group.partitionsOf(sleeper);
    const pausedAt = group.pause(sleeper);
    const takenAt = await firstsAfter(group, owned, pausedAt);
    await sleep(Math.max(0, pausedAt + 3 * ttlMs - now()));
    const epochs = observer.epochs(owned);
    const resumedAt = group.resume(sleeper);
    const lost = () => group.lost.filter(({ memberId }) => memberId === sleeper);
    await until(() => lost().length >= owned.length);
    delays.push(Math.max(...lost().map(({ at }) => at)) - resumedAt);
    rejoins.push(await handling(group, sleeper, resumedAt));
    await until(() => group.settled);
    const lasts = () => group.lasts.filter(({ memberId }) => memberId === sleeper);
    await until(() => lasts().length >= owned.length);
    for (const { partition, at } of lasts()) {
      if (at > (takenAt[owned.indexOf(partition)] ?? Infinity)) lateStarts++;
    }
    lateAcks += observer.acksBelow(epochs, resumedAt);
  }
  return { delays, rejoins, lateStarts, lateCommits: observer.lateCommits, lateAcks };
}

/** When each of the partitions was first handled after that moment, in an epoch that is new. */
async function firstsAfter(
  group: Group,
  partitions: readonly number[],
  after: number,
): Promise<number[]> {
  const found = (): (number | undefined)[] =>
    partitions.map(
      (partition) =>
        group.firsts.find((first) => first.partition === partition && first.at > after)?.at,
    );
  await until(() => found().every((at) => at !== undefined));
  return found().map((at) => at ?? Number.NaN);
}

/** How long after that moment the member had handled a message on each of its partitions. */
async function handling(group: Group, memberId: string, after: number): Promise<number> {
  const firsts = (): Map<number, number> =>
    new Map(
      group.firsts
        .filter((first) => first.memberId === memberId && first.at > after)
        .map(({ partition, at }) => [partition, at]),
    );
  await until(() => {
    const begun = firsts();
    return group.settled && group.partitionsOf(memberId).every((each) => begun.has(each));
  });
  return Math.max(...firsts().values()) - after;
}
