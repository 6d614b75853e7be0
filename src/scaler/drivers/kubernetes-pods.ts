/** A workload's pods as replicas. Pure. */
import type { Replica } from "./driver.ts";
import { endedWith, lastWords } from "./last-words.ts";

/** What is read of a pod. */
export interface Pod {
  readonly metadata: {
    readonly name: string;
    readonly uid: string;
    /** It has been asked to end. */
    readonly deletionTimestamp?: string;
  };
  readonly spec?: {
    readonly terminationGracePeriodSeconds?: number;
    readonly containers?: readonly { readonly env?: readonly EnvVariable[] }[];
  };
  readonly status?: {
    /** `Pending`, `Running`, `Succeeded`, `Failed` or `Unknown`. */
    readonly phase?: string;
    readonly initContainerStatuses?: readonly ContainerStatus[];
    readonly containerStatuses?: readonly ContainerStatus[];
  };
}

interface EnvVariable {
  readonly name: string;
  readonly value?: string;
  readonly valueFrom?: { readonly fieldRef?: { readonly fieldPath?: string } };
}

interface ContainerStatus {
  readonly state?: ContainerState;
  readonly lastState?: ContainerState;
}

interface ContainerState {
  readonly waiting?: { readonly reason?: string; readonly message?: string };
  readonly terminated?: {
    readonly exitCode?: number;
    readonly reason?: string;
    readonly message?: string;
  };
}

/** A container that waits for one of these does not get on by itself. */
const STUCK =
  /^(CrashLoopBackOff|ImagePullBackOff|ErrImage\w+|InvalidImageName|Create\w+Error|RunContainerError)$/;

/** Whether the pod counts as a replica: one that has ended is replaced by its controller, and lies about for a while. */
export function isReplica({ status }: Pod): boolean {
  return status?.phase !== "Succeeded" && status?.phase !== "Failed";
}

/** Whether the pod has been asked to end. */
export function isEnding({ metadata }: Pod): boolean {
  return metadata.deletionTimestamp !== undefined;
}

/** The pod as a replica. */
export function replicaOf(pod: Pod): Omit<Replica, "cpuPercent"> {
  const { name, uid } = pod.metadata;
  const told = { id: uid, name, memberId: memberIdOf(pod) };
  if (isEnding(pod)) return { ...told, state: "stopping" };
  const why = whyStuck(pod);
  if (why !== undefined) return { ...told, state: "failed", why };
  return { ...told, state: pod.status?.phase === "Running" ? "running" : "starting" };
}

/** A share of cores as Kubernetes writes it (`250m`, `1200000n`, `2`), in per cent of one. */
export function percentOf(cpu: string): number | undefined {
  const found = /^(\d+(?:\.\d+)?)([num]?)$/.exec(cpu);
  if (found === null) return undefined;
  const unit = { n: 1e-9, u: 1e-6, m: 1e-3, "": 1 }[found[2] as "n" | "u" | "m" | ""];
  return Number(found[1]) * unit * 100;
}

function whyStuck({ status }: Pod): string | undefined {
  const all = [...(status?.initContainerStatuses ?? []), ...(status?.containerStatuses ?? [])];
  for (const { state, lastState } of all) {
    const ended = state?.terminated;
    if (ended !== undefined && ended.exitCode !== 0) return tell(ended);
    const { reason = "", message } = state?.waiting ?? {};
    if (!STUCK.test(reason)) continue;
    if (lastState?.terminated !== undefined) return tell(lastState.terminated);
    return message === undefined ? reason : `${reason}: ${message}`;
  }
  return undefined;
}

function tell({
  exitCode = 0,
  reason,
  message,
}: NonNullable<ContainerState["terminated"]>): string {
  const words = message === undefined ? undefined : lastWords(message);
  if (reason === "OOMKilled")
    return endedWith({ killedBy: "the system, for lack of memory" }, words);
  return endedWith({ exitCode }, words ?? reason);
}

/** The member's id, where it is made of what tells the pod from the others (`metadata.name`); else undefined. */
function memberIdOf({ metadata, spec }: Pod): string | undefined {
  const fields: Readonly<Record<string, string>> = {
    "metadata.name": metadata.name,
    "metadata.uid": metadata.uid,
  };
  for (const { env = [] } of spec?.containers ?? []) {
    const own = new Map<string, string>();
    for (const { name, value, valueFrom } of env) {
      const field = fields[valueFrom?.fieldRef?.fieldPath ?? ""];
      if (field !== undefined) own.set(name, field);
      if (value === undefined) continue;
      const filled = value.replaceAll(/\$\((\w+)\)/g, (as, other: string) => own.get(other) ?? as);
      if (filled !== value) own.set(name, filled);
    }
    const memberId = own.get("MEMBER_ID");
    if (memberId !== undefined) return memberId;
  }
  return undefined;
}
