/** A Swarm service's tasks as replicas. Pure. */
import { memberIdOf } from "./docker-clone.ts";
import type { SwarmTask } from "./docker-types.ts";
import type { Replica } from "./driver.ts";
import { endedWith } from "./last-words.ts";

/** In these states nothing runs any more, and nothing will. */
const OVER = new Set(["complete", "shutdown", "failed", "rejected", "remove", "orphaned"]);

/** Ended, and not because somebody wanted it. */
const FAILED = new Set(["failed", "rejected"]);

/** Whether something of the task runs, or is on its way. */
export function isLive({ Status }: SwarmTask): boolean {
  return !OVER.has(Status.State);
}

/**
 * The replicas of a service that should have `desired`: a task each that is live, and one for each that has failed and
 * that Swarm does not start again.
 */
export function replicasOf(
  service: string,
  tasks: readonly SwarmTask[],
  desired: number,
): readonly Omit<Replica, "cpuPercent">[] {
  const newestFirst = tasks.toSorted((a, b) => Date.parse(b.CreatedAt) - Date.parse(a.CreatedAt));
  const live = newestFirst.filter(isLive);
  const staying = new Set(live.filter((task) => !isLeaving(task)).map(({ Slot }) => Slot));
  const given = new Map<number | undefined, SwarmTask>();
  for (const task of newestFirst) {
    if (!staying.has(task.Slot) && !given.has(task.Slot)) given.set(task.Slot, task);
  }
  const givenUp = [...given.values()].filter((task) => FAILED.has(task.Status.State));
  return [...live, ...givenUp.slice(0, Math.max(0, desired - staying.size))]
    .toSorted((a, b) => (a.Slot ?? 0) - (b.Slot ?? 0))
    .map((task) => ({
      id: task.ID,
      name: `${service}.${task.Slot ?? task.NodeID ?? "?"}`,
      memberId: memberIdIn(service, task),
      ...stateOf(
        task,
        newestFirst.find((each) => each.Slot === task.Slot && FAILED.has(each.Status.State)),
      ),
    }));
}

/** `failure` is the last run of the same replica that failed. */
function stateOf(task: SwarmTask, failure: SwarmTask | undefined): Pick<Replica, "state" | "why"> {
  if (isLive(task) && isLeaving(task)) return { state: "stopping" };
  if (task.Status.State === "running") return { state: "running" };
  if (failure === undefined) return { state: "starting" };
  const { Err, ContainerStatus } = failure.Status;
  const exitCode = ContainerStatus?.ExitCode ?? 0;
  return {
    state: "failed",
    why: exitCode === 0 ? (Err ?? "failed") : endedWith({ exitCode }, Err),
  };
}

function isLeaving({ DesiredState }: SwarmTask): boolean {
  return OVER.has(DesiredState);
}

/** The member's id, where its template is one of those that tell a service's replicas apart; else undefined. */
function memberIdIn(service: string, task: SwarmTask): string | undefined {
  const { ID, Slot, Spec } = task;
  const id = memberIdOf(Spec?.ContainerSpec?.Env);
  if (id === undefined || !id.includes("{{")) return undefined;
  const filled = id
    .replaceAll("{{.Service.Name}}", service)
    .replaceAll("{{.Task.ID}}", ID)
    .replaceAll("{{.Task.Slot}}", String(Slot ?? ""))
    .replaceAll("{{.Task.Name}}", `${service}.${Slot ?? ""}.${ID}`);
  return filled.includes("{{") ? undefined : filled;
}
