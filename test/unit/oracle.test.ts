import { describe, expect, test } from "vitest";
import { judge } from "../../src/record/oracle.ts";
import type { ProcessedRecord } from "../../src/record/record.ts";

const published = [1, 2, 3].map((sequence) => ({ partition: 0, sequence }));

function record(sequence: number, changes: Partial<ProcessedRecord> = {}): ProcessedRecord {
  return { member: "a", partition: 0, epoch: 1, sequence, key: "k", ts: sequence, ...changes };
}

describe("the record oracle", () => {
  test("finds nothing where everything is processed once, in order", () => {
    expect(judge(published, [record(1), record(2), record(3)])).toEqual({
      published: 3,
      processed: 3,
      lost: 0,
      duplicated: 0,
      outOfOrder: 0,
      sharedEpochs: 0,
      staleEpochs: 0,
      findings: [],
    });
  });

  test("finds a lost message", () => {
    const verdict = judge(published, [record(1), record(3)]);
    expect(verdict.lost).toBe(1);
    expect(verdict.findings).toEqual(["lost: partition 0, sequence 2"]);
  });

  test("finds a duplicate, and does not take it for disorder when a later epoch repeats it", () => {
    const verdict = judge(published, [
      record(1),
      record(2),
      record(2, { member: "b", epoch: 2, ts: 10 }),
      record(3, { member: "b", epoch: 2, ts: 11 }),
    ]);
    expect(verdict).toMatchObject({ lost: 0, duplicated: 1, outOfOrder: 0 });
  });

  test("finds disorder within an epoch", () => {
    expect(judge(published, [record(1), record(3), record(2)]).outOfOrder).toBe(1);
  });

  test("finds a message first processed after a later one of an earlier epoch", () => {
    const verdict = judge(published, [record(1), record(3), record(2, { member: "b", epoch: 2 })]);
    expect(verdict.outOfOrder).toBe(1);
  });

  test("judges order by key where asked to", () => {
    const records = [record(2, { key: "x" }), record(1, { key: "y" }), record(3, { key: "x" })];
    expect(judge(published, records).outOfOrder).toBe(1);
    expect(judge(published, records, { orderBy: "key" }).outOfOrder).toBe(0);
    const swapped = [record(3, { key: "x" }), record(1, { key: "y" }), record(2, { key: "x" })];
    expect(judge(published, swapped, { orderBy: "key" }).outOfOrder).toBe(1);
  });

  test("finds two members in one epoch", () => {
    const verdict = judge(published, [record(1), record(2, { member: "b" }), record(3)]);
    expect(verdict.sharedEpochs).toBe(1);
  });

  test("finds an epoch that goes on after its successor began", () => {
    const verdict = judge(published, [
      record(1, { ts: 1 }),
      record(2, { member: "b", epoch: 2, ts: 5 }),
      record(3, { ts: 9 }),
    ]);
    expect(verdict.staleEpochs).toBe(1);
  });
});
