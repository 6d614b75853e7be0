/** How members work off what waits in their partitions. */
import type { Backlog } from "./backlog.ts";
import type { Member } from "./group.ts";

/**
 * Has a member work for a while, at so many messages per second, on those of its partitions that are not on their way.
 * Its strength is shared by them, as handlers of one process share its core: each in its turn, as much as it has, and
 * what one does not need goes to the others. Returns how many messages it has handled.
 */
export function work(
  member: Member,
  backlogs: readonly Backlog[],
  isMoving: (partition: number) => boolean,
  rate: number,
  ms: number,
): number {
  let waiting: Backlog[] = [];
  for (const partition of member.partitions) {
    const backlog = backlogs[partition];
    if (backlog !== undefined && backlog.size > 0 && !isMoving(partition)) waiting.push(backlog);
  }
  const able = member.unfinished + (rate * ms) / 1_000;
  let left = able;
  while (left >= 1 && waiting.length > 0) {
    const share = Math.max(1, Math.floor(left / waiting.length));
    for (const backlog of waiting) left -= backlog.take(Math.min(share, Math.floor(left)));
    waiting = waiting.filter(({ size }) => size > 0);
  }
  const handled = Math.round(able - left);
  const idle = waiting.length === 0;
  // Strength that nobody needs is lost; what is left of one message's worth is in that message.
  member.unfinished = idle ? 0 : left;
  member.handled += handled;
  member.busyMs += idle ? Math.min(ms, (handled * 1_000) / rate) : ms;
  return handled;
}
