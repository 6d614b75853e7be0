/**
 * Judges what a group did from the records of its members and from what was published.
 * It shares nothing with the code that it judges. Pure.
 */
import type { ProcessedRecord } from "./record.ts";

/** Where a published message was stored. */
export interface PublishedMessage {
  readonly partition: number;
  readonly sequence: number;
}

/** What the oracle found. */
export interface Verdict {
  /** Messages published. */
  readonly published: number;
  /** Different messages processed. */
  readonly processed: number;
  /** Messages published and never processed. */
  readonly lost: number;
  /** Times a message was processed again. */
  readonly duplicated: number;
  /** Times a message was processed behind a later one of its partition, the first time or within one epoch. */
  readonly outOfOrder: number;
  /** Epochs of a partition in which more than one member processed. */
  readonly sharedEpochs: number;
  /**
   * Times an older epoch processed after a newer one had begun, by the times on record: it
   * means something only for members on one machine.
   */
  readonly staleEpochs: number;
  /** The first few findings, for people. */
  readonly findings: readonly string[];
}

/** What to judge by. */
export interface JudgeOptions {
  /** What keeps its order: the whole partition, or each key in it. Default "partition". */
  readonly orderBy?: "partition" | "key";
}

const FINDINGS = 10;

/**
 * Judges the records against what was published. Each member's records must be in the
 * order in which it wrote them; the members may follow each other in any order.
 */
export function judge(
  published: Iterable<PublishedMessage>,
  records: Iterable<ProcessedRecord>,
  options: JudgeOptions = {},
): Verdict {
  const findings: string[] = [];
  const note = (finding: string): void => {
    if (findings.length < FINDINGS) findings.push(finding);
  };
  const expected = new Map<number, number>();
  for (const { partition, sequence } of published) expected.set(sequence, partition);

  const byPartition = groupBy(records, (record) => record.partition);
  const processed = new Set<number>();
  const totals = { duplicated: 0, outOfOrder: 0, sharedEpochs: 0, staleEpochs: 0 };
  for (const all of byPartition.values()) {
    const judged = judgePartition(all, options.orderBy ?? "partition", note);
    for (const sequence of judged.seen) processed.add(sequence);
    totals.duplicated += judged.duplicated;
    totals.outOfOrder += judged.outOfOrder;
    totals.sharedEpochs += judged.sharedEpochs;
    totals.staleEpochs += judged.staleEpochs;
  }
  let lost = 0;
  for (const [sequence, partition] of expected) {
    if (processed.has(sequence)) continue;
    lost++;
    note(`lost: partition ${partition}, sequence ${sequence}`);
  }
  return { published: expected.size, processed: processed.size, lost, ...totals, findings };
}

function judgePartition(
  records: readonly ProcessedRecord[],
  orderBy: "partition" | "key",
  note: (finding: string) => void,
): Omit<Verdict, "published" | "processed" | "lost" | "findings"> & { seen: Set<number> } {
  const seen = new Set<number>();
  let [duplicated, outOfOrder, sharedEpochs] = [0, 0, 0];
  const where = ({ partition, epoch, sequence, member }: ProcessedRecord): string =>
    `partition ${partition}, sequence ${sequence}, epoch ${epoch}, member ${member}`;
  const highest = new Map<string, number>();
  const epochs = [...groupBy(records, (record) => record.epoch)].sort(([a], [b]) => a - b);
  for (const [epoch, inEpoch] of epochs) {
    const members = new Set(inEpoch.map((record) => record.member));
    if (members.size > 1) {
      sharedEpochs++;
      note(
        `shared: partition ${inEpoch[0]?.partition}, epoch ${epoch}: ${[...members].join(", ")}`,
      );
    }
    const highestInEpoch = new Map<string, number>();
    for (const record of inEpoch) {
      const { sequence } = record;
      const lane = orderBy === "key" ? (record.key ?? "") : "";
      const again = seen.has(sequence);
      const late =
        sequence < (highestInEpoch.get(lane) ?? 0) ||
        (!again && sequence < (highest.get(lane) ?? 0));
      if (again) {
        duplicated++;
        note(`duplicated: ${where(record)}`);
      }
      if (late) {
        outOfOrder++;
        note(`out of order: ${where(record)}`);
      }
      seen.add(sequence);
      highestInEpoch.set(lane, Math.max(sequence, highestInEpoch.get(lane) ?? 0));
      highest.set(lane, Math.max(sequence, highest.get(lane) ?? 0));
    }
  }
  return { seen, duplicated, outOfOrder, sharedEpochs, staleEpochs: staleEpochs(records, note) };
}

function staleEpochs(records: readonly ProcessedRecord[], note: (finding: string) => void): number {
  const begun = new Map<number, number>();
  for (const { epoch, ts } of records) begun.set(epoch, Math.min(ts, begun.get(epoch) ?? ts));
  const starts = [...begun].sort(([a], [b]) => a - b);
  let count = 0;
  for (const { partition, sequence, epoch, ts, member } of records) {
    const next = starts.find(([later]) => later > epoch);
    if (next === undefined || ts <= next[1]) continue;
    count++;
    note(`stale: partition ${partition}, sequence ${sequence}, epoch ${epoch}, member ${member}`);
  }
  return count;
}

function groupBy<T>(items: Iterable<T>, keyOf: (item: T) => number): Map<number, T[]> {
  const groups = new Map<number, T[]>();
  for (const item of items) {
    const key = keyOf(item);
    const group = groups.get(key);
    if (group === undefined) groups.set(key, [item]);
    else group.push(item);
  }
  return groups;
}
