/** What happens in the demo, one thing after the other. */
import { setTimeout as sleep } from "node:timers/promises";
import type { GroupStatus, Pace } from "../../index.ts";
import { duration, plural } from "../format.ts";
import { totalsLine } from "../group-table.ts";
import type { Members } from "./members.ts";
import type { Scene } from "./scene.ts";
import type { Screen } from "../screen.ts";
import { isShared, movedPartitions, type Watch } from "./watch.ts";

const MOST_MEMBERS = 4;
/** For people to see what happened before the next thing does. */
const PAUSE_MS = 2_500;

/** Who plays. */
export interface Cast {
  readonly members: Members;
  readonly watch: Watch;
  readonly screen: Screen;
  /** Publishes at this pace from now on. */
  readonly publishAt: (pace: Pace) => Promise<void>;
  /** Ends the publishing; resolves once every message is stored. */
  readonly stopPublishing: () => Promise<void>;
  readonly scene: Scene;
  /** Breaks the demo off. */
  readonly signal: AbortSignal;
}

/** Plays to the end; returns the id of the member that was killed. */
export async function play(cast: Cast): Promise<string> {
  const { members, watch, screen, signal } = cast;
  for (let i = 0; i < MOST_MEMBERS; i++) {
    await act(cast, () => {
      screen.say(`${members.start()} starts`);
    });
  }
  await act(cast, async () => {
    screen.say("member-2 is asked to leave: it finishes, commits and hands over");
    await members.leave("member-2");
  });
  const killed = "member-4";
  await act(cast, async () => {
    screen.say(
      `${killed} is killed: the others wait for its session (${duration(cast.scene.ttlMs)})`,
    );
    await members.kill(killed);
  });
  await cast.stopPublishing();
  screen.say("publishing has stopped; the backlog drains");
  await watch.until(({ totals }) => totals.lag === 0, signal);
  screen.say("lag 0: all members are asked to leave");
  await Promise.all(members.ids.map((id) => members.leave(id)));
  await watch.until((status) => status.members.length === 0, signal);
  screen.say("nobody is left");
  return killed;
}

/** Does something to the members, waits until those that are left share everything, tells how. */
async function act(cast: Cast, change: () => void | Promise<void>): Promise<void> {
  const { members, watch, screen, signal } = cast;
  const before = watch.status;
  const startedAt = performance.now();
  await change();
  await watch.until((status) => isShared(status, members.ids), signal);
  if (watch.status !== undefined) {
    const tookMs = performance.now() - startedAt;
    screen.say(`${sharesOf(watch.status, before)} after ${duration(tookMs)}`);
    await sleep(PAUSE_MS, undefined, { signal });
    if (!screen.isLive) screen.say(totalsLine(watch.status));
  }
}

function sharesOf(now: GroupStatus, before: GroupStatus | undefined): string {
  const moved = plural(movedPartitions(before, now), "partition");
  const shares = now.members.map(({ id, partitions }) => `${id} ${partitions.length}`);
  return `${moved} moved (${shares.join(", ")})`;
}
