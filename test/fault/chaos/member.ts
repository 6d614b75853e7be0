/**
 * One member of the group under chaos, in a process of its own: it uses the public API, notes all it
 * does in files, and has its handlers misbehave when its parent says so.
 */
import { openSync, writeSync } from "node:fs";
import { setTimeout as sleep } from "node:timers/promises";
import {
  Consumer,
  type HandlerContext,
  isDocktorError,
  type Message,
  RecordWriter,
} from "../../../src/index.ts";
import type { Noted } from "./evidence.ts";
import { breakRule, type Mutant } from "./mutants.ts";
import type { Plan } from "./plan.ts";

/** What the member is started with. */
export interface MemberSettings {
  readonly servers: string;
  readonly memberId: string;
  /** Names this process in what it notes. */
  readonly process: string;
  readonly folder: string;
  readonly plan: Omit<Plan, "actions">;
  readonly mutant?: Mutant;
}

/** What the parent may say: for so long, handlers misbehave or nothing runs. */
export interface Command {
  readonly type: "hang" | "throw" | "slow" | "block";
  readonly forMs: number;
}

const settings = JSON.parse(process.argv[2] ?? "{}") as MemberSettings;
const { memberId, plan, folder } = settings;
const notes = openSync(`${folder}/${settings.process}.events.jsonl`, "a");
const record = new RecordWriter(`${folder}/${settings.process}.record.jsonl`, memberId);
let leaving = false;
/** When the event loop was last seen to turn. */
let turnedAt = Date.now();
setInterval(() => (turnedAt = Date.now()), 2).unref();
const until = { hang: 0, throw: 0, slow: 0 };

if (settings.mutant !== undefined) breakRule(settings.mutant);

function note(noted: Noted): void {
  const at = Date.now();
  writeSync(notes, `${JSON.stringify({ at, member: settings.process, ...noted })}\n`);
}

async function eachMessage(message: Message, context: HandlerContext): Promise<void> {
  const { partition, sequence, key = "" } = message;
  const where = { partition, epoch: context.epoch, sequence, key };
  note({ type: "start", ...where, turnedAt });
  const now = performance.now();
  try {
    if (now < until.throw) throw new Error("told to throw");
    if (now < until.hang) await hang(until.hang - now, sequence, context.signal);
    else if (now < until.slow) await sleep(20 + (sequence % 30));
    // Most handlers are done at once; of some, several keys are under way at a time.
    else if (sequence % 7 === 0) await sleep(sequence % 5);
  } catch (error) {
    note({ type: "end", ...where, outcome: context.signal.aborted ? "aborted" : "threw" });
    throw error;
  }
  record.write({
    member: settings.process,
    partition,
    epoch: context.epoch,
    sequence,
    key,
    ts: Date.now(),
  });
  note({ type: "end", ...where, outcome: "handled" });
}

/** Half of the handlers heed their signal. */
async function hang(forMs: number, sequence: number, signal: AbortSignal): Promise<void> {
  if (sequence % 2 === 0) return await sleep(forMs);
  try {
    await sleep(forMs, undefined, { signal });
  } catch {
    throw signal.reason;
  }
}

function createConsumer(): Consumer {
  const consumer = new Consumer({
    servers: settings.servers,
    stream: "EVENTS",
    subject: "events",
    group: "CHAOS",
    memberId,
    session: { ttlMs: plan.ttlMs },
    commit: { intervalMs: plan.intervalMs, window: plan.window },
    stall: { afterMs: plan.stallAfterMs },
    drainTimeoutMs: plan.drainTimeoutMs,
    ...(plan.orderBy === "key" ? { concurrency: { perPartition: 4, by: "key" } } : {}),
  });
  consumer.on("partition:claimed", (claimed) => note({ type: "claimed", ...claimed }));
  consumer.on("partition:released", ({ partition, epoch, next }) =>
    note({ type: "released", partition, epoch, next }),
  );
  consumer.on("partition:lost", ({ partition, epoch, reason }) =>
    note({ type: "lost", partition, epoch, reason }),
  );
  consumer.on("partition:gap", (gap) => note({ type: "gap", ...gap }));
  consumer.on("partition:stalled", ({ partition, epoch, sequence }) =>
    note({ type: "stalled", partition, epoch, sequence }),
  );
  consumer.on("commit", (commit) => note({ type: "commit", ...commit }));
  consumer.on("error", ({ code, message }) => {
    if (code !== "HANDLER_FAILED") note({ type: "error", code, message });
  });
  return consumer;
}

process.on("message", ({ type, forMs }: Command) => {
  const end = performance.now() + forMs;
  if (type !== "block") until[type] = end;
  else while (performance.now() < end);
});
process.on("SIGTERM", () => {
  note({ type: "draining" });
  leaving = true;
  void consumer.drain();
});
// The parent is gone: nobody will ever ask again.
const orphaned = (): never => process.exit(3);
process.once("disconnect", orphaned);

let consumer = createConsumer();
for (;;) {
  try {
    await consumer.run({ eachMessage });
    note({ type: "joined" });
    break;
  } catch (error) {
    // Told to leave before it had joined.
    if (leaving) process.exit();
    // Whoever starts it would start it again when there is no server yet.
    if (!isDocktorError(error, "CONNECTION_FAILED")) throw error;
    await sleep(100);
    // Told to leave just now, when there was nobody to tell.
    if (leaving) process.exit();
    consumer = createConsumer();
  }
}
const failure = await consumer.closed();
note({ type: "left" });
record.close();
process.exitCode = failure === undefined ? 0 : 1;
process.off("disconnect", orphaned);
process.disconnect();
