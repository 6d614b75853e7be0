/** Decides whether a run kept every promise. Pure; it shares nothing with the code that it judges. */
import { judge as judgeRecords } from "../../../src/record/oracle.ts";
import type { Evidence, Finding } from "./evidence.ts";
import { judgeFlow } from "./judge-flow.ts";
import { judgeHandlers } from "./judge-handlers.ts";
import { judgeWrites } from "./judge-writes.ts";

/** Codes of errors that a member may meet while others and servers fail. */
const EXPECTED = new Set([
  "CONNECTION_CLOSED",
  "CONNECTION_LOST",
  "FENCED",
  "SESSION_LOST",
  "STALLED",
  "TIMEOUT",
]);

/** Everything that should not be; empty when all is well. */
export function judge(evidence: Evidence): Finding[] {
  return [
    ...judgeWrites(evidence),
    ...judgeHandlers(evidence),
    ...judgeDeliveries(evidence),
    ...judgeProducer(evidence),
    ...judgeFlow(evidence),
    ...judgeEnd(evidence),
  ];
}

/** No loss, order in each partition or key, one member an epoch: the oracle that users have. */
function judgeDeliveries({ plan, stored, records }: Evidence): Finding[] {
  const { orderBy } = plan;
  const verdict = judgeRecords(stored, records, { orderBy });
  // What an older epoch began may end when a newer one is under way; that none begins is looked at elsewhere.
  const { lost, outOfOrder, sharedEpochs } = verdict;
  if (lost + outOfOrder + sharedEpochs === 0) return [];
  const handled = new Set(records.map(({ sequence }) => sequence));
  const missing = stored.find(({ sequence }) => !handled.has(sequence));
  const first = missing && `first missing: ${missing.sequence} of partition ${missing.partition}`;
  const texts = verdict.findings.filter((text) => /^(out of order|shared)/.test(text));
  const text = `${lost} lost, ${outOfOrder} out of order, ${sharedEpochs} shared epochs`;
  return [
    {
      rule: "everything is handled, in order, by one member an epoch",
      text: [text, ...(first === undefined ? [] : [first]), ...texts].join("; "),
      ...(missing === undefined ? {} : { partition: missing.partition, at: missing.at }),
    },
  ];
}

/** Each message is stored once, where its ack says; and none is given up. */
function judgeProducer({ published, stored }: Evidence): Finding[] {
  const findings: Finding[] = [];
  const copies = new Map<number, number>();
  for (const { n } of stored) copies.set(n, (copies.get(n) ?? 0) + 1);
  for (const [n, count] of copies) {
    if (count > 1)
      findings.push({ rule: "stored once", text: `message ${n} is stored ${count} times` });
  }
  const bySequence = new Map(stored.map((each) => [each.sequence, each]));
  for (const each of published) {
    if ("error" in each) {
      findings.push({ rule: "nothing given up", text: `message ${each.n}: ${each.error}` });
    } else if (bySequence.get(each.sequence)?.n !== each.n) {
      const text = `message ${each.n} was acked at sequence ${each.sequence}, where it is not`;
      findings.push({ rule: "nothing acked and lost", text, partition: each.partition });
    }
  }
  return findings;
}

/** In the end everything is done, everyone is gone, and nothing is left of them. */
function judgeEnd({ caughtUp, exits, events, left, writes }: Evidence): Finding[] {
  const findings: Finding[] = [];
  if (!caughtUp) {
    findings.push({
      rule: "caught up",
      text: "something was never committed after the last fault",
    });
  }
  const known = new Set(events.map(({ member }) => member));
  for (const { member, how, code, at, said } of exits) {
    if (how === "kill" || (how === "leave" && code === 0)) continue;
    // Told before it could listen.
    if (how === "leave" && code === null && !known.has(member)) continue;
    findings.push({
      rule: "ends when told",
      text: `${member} ended (${how}, code ${code}): ${said}`,
      at,
    });
  }
  for (const event of events) {
    if (event.type === "gap") {
      const { partition, at } = event;
      findings.push({
        rule: "no gap",
        text: `${event.first} to ${event.last} told as gone`,
        partition,
        at,
      });
    }
    if (event.type === "error" && !EXPECTED.has(event.code)) {
      findings.push({
        rule: "no unforeseen error",
        text: `${event.member}: ${event.code} ${event.message}`,
        at: event.at,
      });
    }
  }
  for (const { partition, epoch } of left.durables) {
    const mine = writes.filter((write) => write.partition === partition);
    const last = Math.max(...mine.map((write) => write.epoch));
    const checkpoint = mine.findLast((write) => write.kind === "checkpoint");
    // What could not be removed is on record, for the next owner to do it.
    if (checkpoint?.kind === "checkpoint" && epoch >= (checkpoint.since ?? last)) continue;
    if (epoch >= last) continue;
    findings.push({
      rule: "no orphaned durable",
      text: `p${partition} e${epoch}, while the last epoch is ${last}`,
      partition,
    });
  }
  for (const id of [...left.members, ...left.sessions]) {
    findings.push({ rule: "everyone is gone", text: `${id} is still there` });
  }
  return findings;
}
