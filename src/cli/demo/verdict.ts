/** The demo's verdict: what the oracle found, as numbers for programs and in words. */
import type { Verdict } from "../../index.ts";
import { count, duration, table } from "../format.ts";
import type { Scaled } from "./scaling.ts";

/** What `demo --json` prints; the names and their order are a contract. */
export interface DemoResult {
  readonly published: number;
  readonly processed: number;
  readonly lost: number;
  readonly duplicated: number;
  readonly outOfOrder: number;
  /** Roster changes observed. */
  readonly rebalances: number;
  /** Members started after the first. */
  readonly scaleUps: number;
  /** Members that left gracefully. */
  readonly scaleDowns: number;
  readonly maxReplicas: number;
  readonly durationMs: number;
}

/** Whether the group kept its promises. */
export function passed({ lost, outOfOrder, sharedEpochs }: Verdict): boolean {
  return lost === 0 && outOfOrder === 0 && sharedEpochs === 0;
}

/** The verdict in words; `killed` is the member that was killed. */
export function verdictLines(
  verdict: Verdict,
  result: DemoResult,
  { killed, scaled }: { killed: string; scaled: Scaled },
): string[] {
  const { published, processed, lost, duplicated, outOfOrder } = verdict;
  const again =
    duplicated === 0
      ? `although ${killed} was killed`
      : `${killed} was killed before it could commit them; at most the uncommitted window (2,048 a partition) is done again`;
  return [
    "",
    ...table(
      ["", "MESSAGES", ""],
      [
        ["published", count(published), "acknowledged by the stream"],
        ["processed", count(processed), "on record at the members"],
        ["lost", count(lost), ""],
        ["duplicated", count(duplicated), again],
        ["out of order", count(outOfOrder), "within a partition"],
      ],
      [1],
    ),
    ...verdict.findings.filter((finding) => !finding.startsWith("duplicated")),
    "",
    `${passed(verdict) ? "PASSED" : "FAILED"}: ${result.rebalances} changes of the roster, up to ${result.maxReplicas} members; the scaler added ${scaled.ups} for the burst and took ${scaled.downs} away; ${duration(result.durationMs)}`,
  ];
}
