/** A group of member processes, and what they report. */
import { type ChildProcess, fork } from "node:child_process";
import { once } from "node:events";
import { fileURLToPath } from "node:url";
import { now, until } from "./clock.ts";
import type { Command, Health, Report } from "./member.ts";

const MEMBER = fileURLToPath(new URL("./member.js", import.meta.url));

/** Which group. */
export interface GroupOptions {
  url: string;
  partitions: number;
  ttlMs: number;
}

/** A report with who made it. */
type From<Type extends Report["type"]> = Extract<Report, { type: Type }> & { memberId: string };

interface Member {
  readonly child: ChildProcess;
  joined: boolean;
  /** Whether it has told that it is out. */
  left: boolean;
  /** As it last said. */
  partitions: readonly number[];
}

/** Starts, stops and listens to members. */
export class Group {
  /** The first message of every epoch of every partition. */
  readonly firsts: From<"first">[] = [];
  readonly lost: From<"lost">[] = [];
  readonly lasts: From<"last">[] = [];
  readonly released: From<"released">[] = [];
  readonly #options: GroupOptions;
  readonly #members = new Map<string, Member>();

  constructor(options: GroupOptions) {
    this.#options = options;
  }

  /** The partitions that the member owns, as it last said. */
  partitionsOf(memberId: string): readonly number[] {
    return this.#member(memberId).partitions;
  }

  /** Has a member join; resolves once the partitions are shared evenly with it. */
  async join(memberId: string): Promise<void> {
    const member = this.#members.get(memberId) ?? this.#spawn(memberId);
    member.joined = true;
    member.left = false;
    member.partitions = [];
    member.child.send("join" satisfies Command);
    await until(() => this.settled);
  }

  /** Has it leave in good order, its process staying; resolves once the others share its partitions. */
  async leave(memberId: string): Promise<void> {
    const member = this.#member(memberId);
    member.joined = false;
    member.child.send("leave" satisfies Command);
    await until(() => member.left && (this.settled || this.#joined.length === 0));
  }

  /** Kills a member's process; returns when. */
  kill(memberId: string): number {
    const { child } = this.#member(memberId);
    this.#members.delete(memberId);
    child.removeAllListeners("message");
    child.kill("SIGKILL");
    return now();
  }

  /** Stops a member's process where it is, as a virtual machine may be. */
  pause(memberId: string): number {
    this.#member(memberId).child.kill("SIGSTOP");
    return now();
  }

  /** Lets it go on; returns when. */
  resume(memberId: string): number {
    const at = now();
    this.#member(memberId).child.kill("SIGCONT");
    return at;
  }

  /** What its process holds. */
  async health(memberId: string): Promise<Health> {
    const { child } = this.#member(memberId);
    const told = new Promise<Health>((resolve) => {
      const listen = (report: Report): void => {
        if (report.type !== "health") return;
        child.off("message", listen);
        resolve(report);
      };
      child.on("message", listen);
    });
    child.send("health" satisfies Command);
    return await told;
  }

  /** Forgets what was reported so far. */
  forget(): void {
    for (const reports of [this.firsts, this.lost, this.lasts, this.released]) reports.length = 0;
  }

  /** Whether the members share everything evenly. */
  get settled(): boolean {
    const sizes = this.#joined.map(({ partitions }) => partitions.length);
    const owned = new Set(this.#joined.flatMap(({ partitions }) => partitions)).size;
    const sum = sizes.reduce((total, size) => total + size, 0);
    const all = owned === this.#options.partitions && sum === owned;
    return all && Math.max(...sizes) - Math.min(...sizes) <= 1;
  }

  get #joined(): Member[] {
    return [...this.#members.values()].filter((member) => member.joined);
  }

  /** Ends all processes. */
  async end(): Promise<void> {
    const children = [...this.#members.values()].map(({ child }) => child);
    const exited = children.map((child) => once(child, "exit"));
    this.#members.clear();
    for (const child of children) child.disconnect();
    await Promise.all(exited);
  }

  #spawn(memberId: string): Member {
    const { url, partitions, ttlMs } = this.#options;
    const child = fork(MEMBER, [url, memberId, String(partitions), String(ttlMs)], {
      execArgv: ["--expose-gc"],
    });
    const member: Member = { child, joined: false, left: false, partitions: [] };
    child.once("exit", (code, signal) => {
      if (this.#members.get(memberId) !== member) return;
      throw new Error(`${memberId} ended by itself, with ${signal ?? code}`);
    });
    child.on("message", (report: Report) => this.#on(report, memberId, member));
    this.#members.set(memberId, member);
    return member;
  }

  #member(memberId: string): Member {
    const member = this.#members.get(memberId);
    if (member === undefined) throw new Error(`no member ${memberId}`);
    return member;
  }

  #on(report: Report, memberId: string, member: Member): void {
    if (report.type === "rebalance") member.partitions = report.partitions;
    else if (report.type === "left") member.left = true;
    else if (report.type === "first") this.firsts.push({ ...report, memberId });
    else if (report.type === "lost") this.lost.push({ ...report, memberId });
    else if (report.type === "last") this.lasts.push({ ...report, memberId });
    else if (report.type === "released") this.released.push({ ...report, memberId });
  }
}
