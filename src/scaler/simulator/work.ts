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
  const waiting: Backlog[] = [];
  let waits = 0;
  for (const partition of member.partitions) {
    const backlog = backlogs[partition];
    if (backlog === undefined || backlog.size === 0 || isMoving(partition)) continue;
    waiting.push(backlog);
    waits += backlog.size;
  }
  const able = member.unfinished + (rate * ms) / 1_000;
  const handled = Math.min(waits, Math.floor(able));
  if (handled === waits) for (const backlog of waiting) backlog.take(backlog.size);
  else share(handled, waiting);
  member.handled += handled;
  if (handled === waits) {
    // Strength that nobody needs is lost.
    member.unfinished = 0;
    member.busyMs += Math.min(ms, (handled * 1_000) / rate);
  } else {
    // What is left is a part of the next message's work.
    member.unfinished = able - handled;
    member.busyMs += ms;
  }
  return handled;
}

/** Takes so many messages, evenly from all that have some; they have more. */
function share(count: number, backlogs: readonly Backlog[]): void {
  let [left, waiting] = [count, backlogs];
  while (left > 0) {
    const each = Math.max(1, Math.floor(left / waiting.length));
    for (const backlog of waiting) left -= backlog.take(Math.min(each, left));
    waiting = waiting.filter(({ size }) => size > 0);
  }
}
