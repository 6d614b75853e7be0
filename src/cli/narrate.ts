/** Tells what happens to a consumer: in the log for people, or as lines of JSON for programs. */
import type { Logger } from "pino";
import type { Consumer, ConsumerEvents, DocktorError } from "../index.ts";
import { duration, plural, ranges } from "./format.ts";

/** Partitions that come or go within this time make one line. */
const QUIET_MS = 100;

/** Failures of handlers make one line in this time: a sink that is down fails every partition again and again. */
const FAILURES_MS = 10_000;

/** Logs the consumer's events; what a program would read from `--json`, a person reads here. */
export function narrate(consumer: Consumer, log: Logger): void {
  const moves = new Gathering((what, partitions) => log.info(`${what} ${ranges(partitions)}`));
  const losses = new Gathering((what, partitions) => log.warn(`${what} ${ranges(partitions)}`));
  const failures = new Sparing(({ code, message }, untold) => {
    const more =
      untold === 0 ? "" : ` (${plural(untold, "more failure")} since the last such line)`;
    log.error({ code }, `${message}${more}`);
  });
  /** Says it now, as it came before what is said next. */
  const say = (line: string): void => {
    moves.tell();
    losses.tell();
    log.info(line);
  };
  consumer.on("member:joined", ({ memberId, self }) => {
    say(self ? `joined as ${memberId}` : `${memberId} joined`);
  });
  consumer.on("member:left", ({ memberId, self }) => {
    say(self ? "left the group" : `${memberId} left`);
  });
  consumer.on("partition:claimed", ({ partition }) => moves.add("claimed", partition));
  consumer.on("partition:released", ({ partition, next }) => {
    moves.add(next === undefined ? "released" : `handed over to ${next}:`, partition);
  });
  consumer.on("partition:lost", ({ partition, reason }) => {
    losses.add(`lost (${reason})`, partition);
  });
  consumer.on("partition:gap", ({ partition, first, last }) => {
    log.warn(
      `messages of partition ${partition} were removed before they were handled: those from sequence ${first} to ${last}`,
    );
  });
  consumer.on("partition:stalled", ({ partition, sequence, stalledMs }) => {
    log.warn(
      `partition ${partition} does not get on: message ${sequence} has been under way for ${duration(stalledMs)}`,
    );
  });
  consumer.on("message:dead-lettered", ({ partition, sequence, reason, deadLetter }) => {
    log.warn(
      `message ${sequence} of partition ${partition} was set aside (${reason}) as dead letter ${deadLetter}; see docktor dlq show ${deadLetter}`,
    );
  });
  consumer.on("rebalance", ({ members, partitions }) => {
    say(`${plural(members.length, "member")}; own ${ranges(partitions)}`);
  });
  consumer.on("error", (error) => {
    if (error.code === "HANDLER_FAILED") failures.add(error);
    // The command's last line tells that one.
    else if (consumer.state !== "failed") log.error({ code: error.code }, error.message);
  });
}

const EVENTS = [
  "member:joined",
  "member:left",
  "partition:claimed",
  "partition:released",
  "partition:lost",
  "partition:gap",
  "partition:stalled",
  "message:dead-lettered",
  "rebalance",
  "error",
] as const satisfies (keyof ConsumerEvents)[];

/** Passes each event on as an object `{"event",…}`; all but `commit`, of which there are too many. */
export function eventsAsObjects(
  consumer: Consumer,
  tell: (event: Record<string, unknown>) => void,
): void {
  for (const event of EVENTS) {
    consumer.on(event, (payload: object) => {
      if (payload instanceof Error) tell({ event, ...errorFields(payload) });
      else if ("error" in payload) {
        const { error, ...rest } = payload;
        tell({ event, ...rest, ...errorFields(error) });
      } else tell({ event, ...payload });
    });
  }
}

function errorFields(error: unknown): Record<string, unknown> {
  const { code, message } = error as { code: string; message: string };
  return { code, message };
}

/** Gathers partitions under what happened to them, until nothing more comes. */
class Gathering {
  readonly #tell: (what: string, partitions: readonly number[]) => void;
  readonly #gathered = new Map<string, number[]>();
  #timer: NodeJS.Timeout | undefined;

  constructor(tell: (what: string, partitions: readonly number[]) => void) {
    this.#tell = tell;
  }

  add(what: string, partition: number): void {
    const before = this.#gathered.get(what);
    if (before === undefined) this.#gathered.set(what, [partition]);
    else before.push(partition);
    clearTimeout(this.#timer);
    this.#timer = setTimeout(() => this.tell(), QUIET_MS);
  }

  tell(): void {
    clearTimeout(this.#timer);
    for (const [what, partitions] of this.#gathered) this.#tell(what, partitions);
    this.#gathered.clear();
  }
}

/** Tells the first error at once; then the newest one now and then, with how many were left out. */
class Sparing {
  readonly #tell: (error: DocktorError, untold: number) => void;
  #newest: DocktorError | undefined;
  #untold = 0;
  #timer: NodeJS.Timeout | undefined;

  constructor(tell: (error: DocktorError, untold: number) => void) {
    this.#tell = tell;
  }

  add(error: DocktorError): void {
    if (this.#newest !== undefined) this.#untold++;
    this.#newest = error;
    if (this.#timer === undefined) this.#say();
  }

  #say(): void {
    this.#timer = undefined;
    if (this.#newest === undefined) return;
    this.#tell(this.#newest, this.#untold);
    this.#newest = undefined;
    this.#untold = 0;
    this.#timer = setTimeout(() => this.#say(), FAILURES_MS).unref();
  }
}
