/** A group's members and totals, as `status` and the demo show them. Pure. */
import type { GroupStatus, MemberStatus } from "../index.ts";
import { count, duration, ranges, rate, table } from "./format.ts";

/** One line per member, below their headers; with how far behind each is if `lag` is set. */
export function memberTable(
  { members, partitions }: GroupStatus,
  now: number,
  { lag = false }: { lag?: boolean } = {},
): string[] {
  const rows = members.map((member) => {
    const owned = partitions.filter(({ owner }) => owner === member.id);
    const behind = owned.reduce((sum, partition) => sum + partition.lag, 0);
    return [
      member.id,
      member.state,
      String(member.partitions.length),
      ranges(member.partitions),
      ...(lag ? [count(behind)] : []),
      isUp(member) ? duration(Math.max(0, now - Date.parse(member.startedAt))) : "-",
    ];
  });
  const headers = ["MEMBER", "STATE", "OWNS", "PARTITIONS", ...(lag ? ["LAG"] : []), "UPTIME"];
  return table(headers, rows, lag ? [2, 4] : [2]);
}

/** Whether the member is there now, and not dead or stopped for a restart. */
export function isUp({ state }: MemberStatus): boolean {
  return state !== "dead" && state !== "restarting";
}

/** How far behind the group is, and how fast messages come and go. */
export function totalsLine({ totals }: GroupStatus): string {
  return `lag ${count(totals.lag)}, in ${rate(totals.rateIn)}, out ${rate(totals.rateOut)}`;
}
