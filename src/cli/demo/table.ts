/** The demo's table: members, their partitions and their lag. */
import type { GroupStatus } from "../../index.ts";
import { memberTable, totalsLine } from "../group-table.ts";

/** Members, their partitions and their lag. */
export function tableOf(status: GroupStatus): string[] {
  return ["", ...memberTable(status, Date.now(), { lag: true }), "", totalsLine(status)];
}
