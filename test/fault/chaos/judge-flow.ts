/**
 * No partition stands still for longer than its bound while it has something to do.
 *
 * The bound: a lost owner is missed after the TTL, found by the next look, and replaced by a claim and
 * the first delivery. A fault that strikes the next owner meanwhile starts it anew; while a server is
 * away nobody can do anything.
 */
import type { Evidence, Finding, MemberEvent, Performed } from "./evidence.ts";
import { boundMs, type Plan } from "./plan.ts";

/** How long a cluster that has lost a node may need to choose its leaders, one after the other. */
const ELECTIONS_MS = 12_000;
/** Clients come back to a server within a second, and whoever waits for an answer then waits for 2 s. */
const RECONNECT_MS = 3_000;

/** From and to, in milliseconds. */
type Span = readonly [from: number, to: number];

export function judgeFlow(evidence: Evidence): Finding[] {
  const { plan, performed, stored } = evidence;
  const bound = boundMs(plan);
  const outages = performed
    .filter(({ type }) => type === "outage")
    .map((each) => outage(plan, each));
  const partitions = [...new Set(stored.map(({ partition }) => partition))];
  return partitions.flatMap((partition) =>
    pauses(evidence, partition).flatMap(([from, to]) => {
      const faults = performed.filter((fault) => concerns(evidence, partition, fault, [from, to]));
      const excused = outages.reduce((sum, span) => sum + overlap(span, [from, to]), 0);
      // A newcomer waits for a TTL before it takes anyone for dead, and so does who comes back.
      const waits = Math.max(1, faults.length) + (hasRescuer(evidence, [from, to]) ? 0 : 1);
      const allowed = bound * waits + excused;
      if (to - from <= allowed) return [];
      const text = `partition ${partition} stood still for ${Math.round(to - from)} ms; after ${faults.length} faults that concern it, ${Math.round(allowed)} ms are allowed`;
      return [{ rule: "no partition stands still", text, partition, at: to }];
    }),
  );
}

function outage({ servers }: Plan, { from, to }: Performed): Span {
  return [
    from,
    servers === 1 ? to + RECONNECT_MS : Math.max(to, from + ELECTIONS_MS) + RECONNECT_MS,
  ];
}

/** The times in which there was something to do and no handler was under way, nor one began or ended. */
function pauses(evidence: Evidence, partition: number): Span[] {
  const { stored, records } = evidence;
  const waitingSince = backlog(evidence, partition);
  const busy = handlerSpans(evidence, partition);
  const last = Math.max(...stored.map(({ at }) => at), ...records.map(({ ts }) => ts));
  const result: Span[] = [];
  let quietFrom = 0;
  for (const [from, to] of [...busy, [last, last] as const]) {
    const since = waitingSince(quietFrom, from);
    if (since !== undefined && from > since) result.push([since, from]);
    quietFrom = Math.max(quietFrom, to);
  }
  return result;
}

/** Since when, in a time without any progress, something was waiting; undefined if nothing was. */
function backlog(
  { stored, records }: Evidence,
  partition: number,
): (from: number, to: number) => number | undefined {
  const handledAt = new Map<number, number>();
  for (const { sequence, ts } of records) {
    handledAt.set(sequence, Math.min(ts, handledAt.get(sequence) ?? ts));
  }
  const messages = stored
    .filter((each) => each.partition === partition)
    .map(({ sequence, at }) => ({ at, handledAt: handledAt.get(sequence) ?? Infinity }));
  return (from, to) => {
    const waiting = messages.find((each) => each.at < to && each.handledAt >= Math.max(from, to));
    return waiting && Math.max(from, waiting.at);
  };
}

/** When handlers of the partition ran, as far as their process did; sorted. */
function handlerSpans({ events, exits, performed }: Evidence, partition: number): Span[] {
  const spans: Span[] = [];
  const open = new Map<string, MemberEvent>();
  const endOf = new Map(exits.map(({ member, at }) => [member, at]));
  const close = (start: MemberEvent, end: number): void => {
    // While its process stood still, so did the handler.
    const frozen = performed
      .filter(
        ({ member, type, from }) =>
          member === start.member && STANDSTILL.has(type) && from >= start.at,
      )
      .map(({ from }) => from);
    spans.push([start.at, Math.min(end, ...frozen)], [end, end]);
  };
  for (const event of events) {
    if (event.type !== "start" && event.type !== "end") continue;
    if (event.partition !== partition) continue;
    const name = `${event.member}/${event.sequence}`;
    const start = open.get(name);
    if (event.type === "start") open.set(name, event);
    else if (start !== undefined) {
      open.delete(name);
      close(start, event.at);
    }
  }
  for (const start of open.values()) {
    const end = endOf.get(start.member) ?? start.at;
    close(start, end);
  }
  return spans.sort(([a], [b]) => a - b);
}

const STANDSTILL: ReadonlySet<string> = new Set(["freeze", "kill"]);

/** Whether a member was well all the time, and had been in the group for a TTL. */
function hasRescuer({ plan, events, exits, performed }: Evidence, [begin, end]: Span): boolean {
  const since = begin - plan.ttlMs;
  return events.some(({ type, member, at }) => {
    if (type !== "joined" || at > since) return false;
    if (exits.some((exit) => exit.member === member && exit.at < end)) return false;
    const faults = performed.filter((fault) => fault.member === member);
    return !faults.some(({ from, to }) => overlap([from, to + plan.ttlMs], [since, end]) > 0);
  });
}

/** Whether the fault struck a member that owned the partition about then, or was to own it. */
function concerns(
  { plan, writes }: Evidence,
  partition: number,
  { member, from, to }: Performed,
  [begin, end]: Span,
): boolean {
  if (member === undefined) return false;
  // A fault counts from when it began until the group has got over it.
  const reach: Span = [from, to + plan.ttlMs];
  if (overlap(reach, [begin, end]) === 0) return false;
  const id = member.split("#")[0];
  let before: string | undefined;
  const owners = new Set<string | undefined>();
  for (const write of writes) {
    if (write.kind !== "lease" || write.partition !== partition || write.at > end) continue;
    const owner = write.owner ?? write.next;
    if (write.at < begin) before = owner;
    else owners.add(owner);
  }
  owners.add(before);
  return owners.has(id);
}

function overlap([a, b]: Span, [c, d]: Span): number {
  return Math.max(0, Math.min(b, d) - Math.max(a, c));
}
