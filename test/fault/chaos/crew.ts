/** The members as processes, each behind a wire of its own to every server. */
import { type ChildProcess, fork } from "node:child_process";
import { existsSync, mkdtempSync, readFileSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { type ProcessedRecord, readRecords } from "../../../src/record/record.ts";
import { type Proxy, startProxy } from "../../support/proxy.ts";
import type { Exit, MemberEvent } from "./evidence.ts";
import type { Command, MemberSettings } from "./member.ts";
import type { Mutant } from "./mutants.ts";
import type { Plan } from "./plan.ts";
import type { Site } from "./site.ts";

interface Running {
  readonly child: ChildProcess;
  readonly process: string;
  readonly proxies: readonly Proxy[];
  readonly exited: Promise<void>;
  told: Exit["how"];
  said: string;
}

/** How to start members. */
export interface CrewOptions {
  readonly site: Site;
  readonly plan: Plan;
  /** The compiled member. */
  readonly program: string;
  readonly mutant: Mutant | undefined;
}

/** All processes of a run. */
export class Crew implements AsyncDisposable {
  readonly exits: Exit[] = [];
  readonly #options: CrewOptions;
  readonly #folder = mkdtempSync(join(tmpdir(), "docktor-chaos-"));
  readonly #running = new Map<string, Running>();
  readonly #processes: string[] = [];

  constructor(options: CrewOptions) {
    this.#options = options;
  }

  /** The members that run. */
  get running(): string[] {
    return [...this.#running.keys()];
  }

  /** Whether the member runs, and is not on its way out. */
  stays(member: string): boolean {
    return this.#running.get(member)?.told === "by itself";
  }

  /** The process that a member is now. */
  processOf(member: string): string | undefined {
    return this.#running.get(member)?.process;
  }

  async join(member: string): Promise<void> {
    const { site, plan, program, mutant } = this.#options;
    const proxies = await Promise.all(site.nodes.map(({ port }) => startProxy(port)));
    const life = this.#processes.filter((each) => each.startsWith(`${member}#`)).length + 1;
    const name = `${member}#${life}`;
    this.#processes.push(name);
    const settings: MemberSettings = {
      servers: proxies.map(({ url }) => url).join(","),
      memberId: member,
      process: name,
      folder: this.#folder,
      plan,
      ...(mutant === undefined ? {} : { mutant }),
    };
    const child = fork(program, [JSON.stringify(settings)], {
      stdio: ["ignore", "ignore", "pipe", "ipc"],
    });
    const running: Running = {
      child,
      process: name,
      proxies,
      told: "by itself",
      said: "",
      exited: new Promise((resolve) => {
        child.once("close", (code) => {
          const { told: how, said } = running;
          this.exits.push({ member: name, how, code, at: Date.now(), said: said.slice(-2_000) });
          if (this.#running.get(member) === running) this.#running.delete(member);
          void Promise.all(proxies.map((proxy) => proxy.close())).then(() => resolve());
        });
      }),
    };
    child.stderr?.on("data", (chunk: Buffer) => (running.said += chunk.toString()));
    this.#running.set(member, running);
  }

  /** Asks it to hand over and leave; it goes on by itself. */
  leave(member: string): void {
    const running = this.#running.get(member);
    // A second signal would meet a process that is about to end and heeds none any more.
    if (running === undefined || running.told === "leave") return;
    running.told = "leave";
    running.child.kill("SIGTERM");
  }

  async kill(member: string): Promise<void> {
    const running = this.#running.get(member);
    if (running === undefined) return;
    running.told = "kill";
    running.child.kill("SIGKILL");
    await running.exited;
  }

  /** Stops the process as it stands, or has it go on. */
  freeze(member: string, frozen: boolean): void {
    this.#running.get(member)?.child.kill(frozen ? "SIGSTOP" : "SIGCONT");
  }

  tell(member: string, command: Command): void {
    const child = this.#running.get(member)?.child;
    // One that is about to leave has closed its ear.
    if (child?.connected === true) child.send(command, () => undefined);
  }

  /** The wires of a member. */
  wires(member: string): readonly Proxy[] {
    return this.#running.get(member)?.proxies ?? [];
  }

  /** Has everyone leave; whoever does not in time is killed, and noted as hung. */
  async disband(withinMs: number): Promise<void> {
    const all = [...this.#running.values()];
    for (const member of this.running) this.leave(member);
    const impatience = setTimeout(() => {
      for (const { child } of all) {
        if (child.exitCode !== null || child.signalCode !== null) continue;
        for (const running of all) if (running.child === child) running.told = "hung";
        child.kill("SIGKILL");
      }
    }, withinMs);
    await Promise.all(all.map(({ exited }) => exited));
    clearTimeout(impatience);
  }

  events(): MemberEvent[] {
    const all = this.#processes.flatMap((name) =>
      lines(join(this.#folder, `${name}.events.jsonl`)),
    );
    return all.map((line) => JSON.parse(line) as MemberEvent).sort((a, b) => a.at - b.at);
  }

  records(): ProcessedRecord[] {
    return this.#processes.flatMap((name) => {
      const path = join(this.#folder, `${name}.record.jsonl`);
      return existsSync(path) ? readRecords(path) : [];
    });
  }

  async [Symbol.asyncDispose](): Promise<void> {
    await Promise.all(this.running.map((member) => this.kill(member)));
    rmSync(this.#folder, { recursive: true, force: true });
  }
}

/** The whole lines: the last one may have been cut short by a crash. */
function lines(path: string): string[] {
  return existsSync(path) ? readFileSync(path, "utf8").split("\n").slice(0, -1) : [];
}
