/**
 * What handlers did: none starts after its lease was taken, none beside another of its lane, and a
 * message comes again only if nobody had committed it when its next owner began.
 */
import type { Evidence, Finding, MemberEvent, Write } from "./evidence.ts";

export function judgeHandlers(evidence: Evidence): Finding[] {
  return [...judgeStarts(evidence), ...judgeLanes(evidence), ...judgeRepeats(evidence)];
}

/** When each epoch of a partition was claimed, or sealed and where, by name. */
function timesOf(writes: readonly Write[]): {
  claimed: Map<string, number>;
  sealed: Map<string, number>;
} {
  const [claimed, sealed] = [new Map<string, number>(), new Map<string, number>()];
  for (const write of writes) {
    const name = `${write.partition}/${write.epoch}`;
    if (write.kind === "lease" && write.owner !== undefined) claimed.set(name, write.at);
    if (write.kind === "checkpoint" && !sealed.has(name)) sealed.set(name, write.sequence);
  }
  return { claimed, sealed };
}

/** No handler starts in an epoch once the next one is claimed, nor once its member knows of its end. */
function judgeStarts({ events, writes, performed }: Evidence): Finding[] {
  const findings: Finding[] = [];
  // Who is stopped between its last look at the lease and the call makes that call when it goes on.
  const caught = performed.filter(({ type }) => type === "freeze");
  const { claimed } = timesOf(writes);
  const over = new Map<string, string>();
  for (const event of events) {
    if (event.type === "released" || event.type === "lost") {
      over.set(`${event.member}/${event.partition}/${event.epoch}`, event.type);
    }
    if (event.type !== "start") continue;
    const { member, partition, epoch, sequence, at, turnedAt } = event;
    const taken = claimed.get(`${partition}/${epoch + 1}`);
    const where = `${member} started sequence ${sequence} of partition ${partition} in epoch ${epoch}`;
    // Its event loop has not turned since.
    const stop = caught.findIndex((freeze) => {
      const amid = (freeze.from + freeze.to) / 2;
      return freeze.member === member && turnedAt < amid && amid < at;
    });
    if (taken !== undefined && at > taken && stop >= 0) caught.splice(stop, 1);
    else if (taken !== undefined && at > taken) {
      const text = `${where}, ${(at - taken).toFixed(1)} ms after epoch ${epoch + 1} was claimed`;
      findings.push({ rule: "no start by a fenced owner", text, partition, at });
    }
    const known = over.get(`${member}/${partition}/${epoch}`);
    if (known !== undefined) {
      findings.push({
        rule: "no start after the end",
        text: `${where}, which it had told as ${known}`,
        partition,
        at,
      });
    }
  }
  return findings;
}

/** In a member, one handler at a time of each partition, or of each key in it. */
function judgeLanes({ events, plan }: Evidence): Finding[] {
  const findings: Finding[] = [];
  const running = new Map<string, MemberEvent & { type: "start" }>();
  for (const event of events) {
    if (event.type !== "start" && event.type !== "end") continue;
    const { member, partition, sequence, at } = event;
    const key = plan.orderBy === "key" ? event.key : "";
    const lane = `${member}/${partition}/${key}`;
    const before = running.get(lane);
    if (event.type === "end") running.delete(lane);
    else {
      if (before !== undefined) {
        const text = `${member} started sequence ${sequence} while ${before.sequence} was under way`;
        findings.push({ rule: "one at a time", text, partition, at });
      }
      running.set(lane, event);
    }
  }
  return findings;
}

/** What comes again was not committed when its epoch began, and was not handed over in good order. */
function judgeRepeats({ events, records, writes, plan }: Evidence): Finding[] {
  const findings: Finding[] = [];
  const { sealed } = timesOf(writes);
  const released = new Set(
    events.flatMap((event) =>
      event.type === "released" ? [`${event.partition}/${event.epoch}`] : [],
    ),
  );
  const handledIn = new Map<string, number[]>();
  const repeats = new Map<string, Set<number>>();
  for (const { member, partition, epoch, sequence, ts: at } of records) {
    const where = `${member} handled sequence ${sequence} of partition ${partition} in epoch ${epoch}`;
    const began = sealed.get(`${partition}/${epoch}`);
    if (began === undefined || sequence <= began) {
      const text = `${where}, which began behind ${began ?? "no checkpoint"}`;
      findings.push({ rule: "twice only if not committed", text, partition, at });
    }
    const name = `${partition}/${sequence}`;
    const earlier = handledIn.get(name) ?? [];
    handledIn.set(name, [...earlier, epoch]);
    for (const before of earlier) {
      const lease = `${partition}/${Math.min(before, epoch)}`;
      if (before === epoch || released.has(lease)) {
        const text = `${where}, after epoch ${before}${before === epoch ? "" : ", which was handed over in good order"}`;
        findings.push({ rule: "twice only after a lost lease", text, partition, at });
      }
      repeats.set(lease, (repeats.get(lease) ?? new Set()).add(sequence));
    }
  }
  for (const [lease, { size: count }] of repeats) {
    if (count <= plan.window) continue;
    findings.push({
      rule: "at most the window twice",
      text: `${count} of ${lease}`,
      partition: Number(lease.split("/")[0]),
    });
  }
  return findings;
}
