/**
 * The three ways to hand a partition's messages to its handler: one by one, in batches,
 * or several keys at a time. In each, a key's messages are handled in order.
 */
import PQueue from "p-queue";
import type {
  EachBatch,
  EachMessage,
  Handlers,
  HandlerContext,
  KeyConcurrency,
} from "../handlers.ts";
import type { Call, Outcome } from "./handling.ts";
import type { Message } from "../message.ts";

/** The most messages in one batch. */
const BATCH_SIZE = 256;

/** Where messages come from and where their outcome goes. */
export interface Intake {
  readonly context: HandlerContext;
  /** The next messages, if there are any to be told at once. */
  takeNow(max: number): readonly Message[] | undefined;
  /** The next messages, at least one and at most `max`; undefined when there will be no more. */
  take(max: number): Promise<readonly Message[] | undefined>;
  /** Calls the handler until it succeeds or the poison policy decides, and marks what is handled. */
  handle(messages: readonly Message[], call: Call): Outcome | Promise<Outcome>;
}

/** Handles everything that comes in; resolves when there is no more and no handler runs. */
export type Dispatch = (intake: Intake) => Promise<void>;

/** The way that these handlers ask for. */
export function dispatchFor(handlers: Handlers, concurrency: KeyConcurrency | undefined): Dispatch {
  if (handlers.eachBatch !== undefined) return inBatches(handlers.eachBatch);
  if (concurrency === undefined) return oneByOne(handlers.eachMessage);
  return byKey(handlers.eachMessage, concurrency.perPartition);
}

function oneByOne(eachMessage: EachMessage): Dispatch {
  return async (intake) => {
    for (;;) {
      // No promise is made where nothing is waited for: each costs about as much as the rest.
      const messages = intake.takeNow(1) ?? (await intake.take(1));
      const message = messages?.[0];
      if (messages === undefined || message === undefined) return;
      const handling = intake.handle(messages, () => eachMessage(message, intake.context));
      const outcome = typeof handling === "string" ? handling : await handling;
      if (outcome !== "handled") return;
    }
  };
}

function inBatches(eachBatch: EachBatch): Dispatch {
  /** Returns whether all are handled. A batch that cannot be is tried in halves, which shows what is to blame. */
  const handle = async (intake: Intake, messages: readonly Message[]): Promise<boolean> => {
    const [first, last] = [messages[0], messages.at(-1)];
    if (first === undefined || last === undefined) return true;
    const batch = {
      partition: first.partition,
      messages,
      firstSequence: first.sequence,
      lastSequence: last.sequence,
    };
    const outcome = await intake.handle(messages, () => eachBatch(batch, intake.context));
    if (outcome !== "split") return outcome === "handled";
    const middle = Math.ceil(messages.length / 2);
    const firstHalf = await handle(intake, messages.slice(0, middle));
    return firstHalf && (await handle(intake, messages.slice(middle)));
  };
  return async (intake) => {
    for (;;) {
      const messages = intake.takeNow(BATCH_SIZE) ?? (await intake.take(BATCH_SIZE));
      if (messages === undefined || !(await handle(intake, messages))) return;
    }
  };
}

function byKey(eachMessage: EachMessage, perPartition: number): Dispatch {
  return async (intake) => {
    const running = new PQueue({ concurrency: perPartition });
    /** The last message of each key under way: the next one waits for it. */
    const tails = new Map<string, Promise<boolean>>();
    for (;;) {
      const messages = await intake.take(1);
      const message = messages?.[0];
      if (messages === undefined || message === undefined) break;
      const key = message.key ?? "";
      const handle = async (): Promise<boolean> =>
        (await running.add(() =>
          intake.handle(messages, () => eachMessage(message, intake.context)),
        )) === "handled";
      // After a failure that ended the partition, later messages of the key must not run.
      const tail = (tails.get(key) ?? Promise.resolve(true)).then((ok) => (ok ? handle() : false));
      tails.set(key, tail);
      void tail.then(() => {
        if (tails.get(key) === tail) tails.delete(key);
      });
    }
    await Promise.all(tails.values());
  };
}
