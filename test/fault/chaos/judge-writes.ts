/**
 * The group's records as the server accepted them, write by write: epochs grow one by one, nobody commits
 * whom a later owner has sealed off, and nobody commits what is not handled.
 */
import type { ProcessedRecord } from "../../../src/record/record.ts";
import type { Evidence, Finding, Write } from "./evidence.ts";

/** A record's time has no fractions, and the server's own is another clock of the same machine. */
const TICK_MS = 2;

/** What is known of a partition at a point of its history. */
interface Past {
  /** The last epoch claimed. */
  claimed: number;
  /** The last epoch sealed. */
  sealed: number;
  /** The last sequence committed. */
  sequence: number;
}

export function judgeWrites({ writes, stored, records }: Evidence): Finding[] {
  const findings: Finding[] = [];
  const pasts = new Map<number, Past>();
  const handled = firstTimes(records);
  const sequences = new Map<number, number[]>();
  for (const { partition, sequence } of stored) push(sequences, partition, sequence);
  for (const write of writes) {
    const { partition, at } = write;
    const past = pasts.get(partition) ?? { claimed: 0, sealed: 0, sequence: 0 };
    pasts.set(partition, past);
    const texts =
      write.kind === "lease"
        ? judgeLease(write, past)
        : judgeCheckpoint(write, past, sequences.get(partition) ?? [], handled);
    for (const [rule, text] of texts) {
      findings.push({
        rule,
        text: `partition ${partition}, revision ${write.revision}: ${text}`,
        partition,
        at,
      });
    }
  }
  return findings;
}

type Texts = [rule: string, text: string][];

function judgeLease({ epoch, owner }: Write & { kind: "lease" }, past: Past): Texts {
  const due = owner === undefined ? past.claimed : past.claimed + 1;
  past.claimed = epoch;
  if (epoch === due) return [];
  const what = owner === undefined ? "released" : `claimed by ${owner}`;
  return [["epochs grow", `epoch ${epoch} ${what} instead of ${due}`]];
}

function judgeCheckpoint(
  write: Write & { kind: "checkpoint" },
  past: Past,
  sequences: readonly number[],
  handled: ReadonlyMap<string, number>,
): Texts {
  const { partition, epoch, sequence, at } = write;
  const texts: Texts = [];
  if (epoch < past.sealed) {
    texts.push([
      "no commit by a fenced owner",
      `epoch ${epoch} wrote after the seal of epoch ${past.sealed}`,
    ]);
  }
  if (epoch > past.claimed) {
    texts.push(["no commit by a fenced owner", `epoch ${epoch} wrote before it was claimed`]);
  }
  if (epoch > past.sealed && sequence !== past.sequence) {
    texts.push([
      "a seal moves nothing",
      `epoch ${epoch} sealed at ${sequence}, not at ${past.sequence}`,
    ]);
  }
  if (sequence < past.sequence) {
    texts.push([
      "commits go forward",
      `epoch ${epoch} went back to ${sequence} from ${past.sequence}`,
    ]);
  }
  // What an epoch commits beyond its predecessor's last word it has handled itself.
  const skipped = sequences.filter((each) => {
    if (each <= past.sequence || each > sequence) return false;
    const handledAt = handled.get(nameOf(partition, epoch, each));
    return handledAt === undefined || handledAt > at + TICK_MS;
  });
  if (skipped.length > 0) {
    const which = skipped.slice(0, 5).join(", ");
    texts.push([
      "commits cover what is handled",
      `epoch ${epoch} committed ${sequence}, without having handled ${which}`,
    ]);
  }
  past.sealed = Math.max(past.sealed, epoch);
  past.sequence = sequence;
  return texts;
}

/** When a message was first handled in an epoch. */
function firstTimes(records: readonly ProcessedRecord[]): Map<string, number> {
  const times = new Map<string, number>();
  for (const { partition, epoch, sequence, ts } of records) {
    const name = nameOf(partition, epoch, sequence);
    times.set(name, Math.min(ts, times.get(name) ?? ts));
  }
  return times;
}

function nameOf(partition: number, epoch: number, sequence: number): string {
  return `${partition}/${epoch}/${sequence}`;
}

function push(lists: Map<number, number[]>, key: number, value: number): void {
  const list = lists.get(key);
  if (list === undefined) lists.set(key, [value]);
  else list.push(value);
}
