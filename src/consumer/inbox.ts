/** A partition's messages from their delivery on: those that wait, and those that are under way. */
import type { JsMsg } from "@nats-io/jetstream";
import type { Breather } from "./breather.ts";
import { Message } from "./message.ts";
import type { Progress, Tracked } from "./progress.ts";
import { decodeReplay } from "./replay.ts";

/** What an inbox needs. */
export interface InboxOptions {
  partition: number;
  progress: Progress<JsMsg>;
  /** The member's: its handlers share one event loop. */
  breather: Breather;
  /** How many messages may be under way, or handled and not committed. */
  window: number;
  /** How many messages are handed out one at a time before batches are. */
  singly: number;
  /** The dead letter that a message stands for; `"ended"` when that could not be found out. */
  readReplay: (raw: JsMsg) => Promise<Message | undefined | "ended">;
  /** Messages have finished: there may be something to commit. */
  onFinished: () => void;
}

/** One partition's messages. */
export class Inbox {
  readonly #options: InboxOptions;
  readonly #waiting: JsMsg[] = [];
  readonly #tracked = new WeakMap<Message, Tracked<JsMsg>>();
  readonly #messages = new WeakMap<Tracked<JsMsg>, Message>();
  #singly: number;
  #closed = false;
  #wake = (): void => {};

  constructor(options: InboxOptions) {
    this.#options = options;
    this.#singly = options.singly;
  }

  /** The earliest message that is under way; undefined when none is, or it is not read yet. */
  get oldest(): Message | undefined {
    const tracked = this.#options.progress.oldest;
    return tracked && this.#messages.get(tracked);
  }

  /** How many messages were delivered and are not committed. */
  get open(): number {
    return this.#waiting.length + this.#options.progress.uncommitted;
  }

  /** A message was delivered. */
  add(raw: JsMsg): void {
    this.#waiting.push(raw);
    this.#wake();
  }

  /** Looks again whether there is something to hand out, as after a commit. */
  wake(): void {
    this.#wake();
  }

  /** Hands nothing out any more. */
  close(): void {
    this.#closed = true;
    this.#waiting.length = 0;
    this.#wake();
  }

  /** The next messages, at least one and at most `max`; undefined when there will be no more. */
  async take(max: number): Promise<readonly Message[] | undefined> {
    const { breather, window, progress } = this.#options;
    for (;;) {
      if (breather.due) await breather.breathe();
      if (this.#closed) return undefined;
      const room = window - progress.uncommitted;
      if (room > 0 && this.#waiting.length > 0) {
        const most = this.#singly-- > 0 ? 1 : Math.min(max, room);
        const messages = await this.#begin(this.#waiting.splice(0, most));
        if (messages?.length !== 0) return messages;
      } else {
        await new Promise<void>((resolve) => (this.#wake = resolve));
      }
    }
  }

  /** The messages are handled. */
  finish(messages: readonly Message[]): void {
    this.#finish(messages.flatMap((message) => this.#tracked.get(message) ?? []));
  }

  /** The messages to handle; undefined when the partition was given up before they were known. */
  async #begin(taken: readonly JsMsg[]): Promise<readonly Message[] | undefined> {
    const { partition, progress, readReplay } = this.#options;
    const tracked = taken.map((raw) => progress.start(raw));
    const messages: Message[] = [];
    for (const each of tracked) {
      const { item: raw } = each;
      const message =
        decodeReplay(raw) === undefined ? Message.from(raw, partition) : await readReplay(raw);
      if (message === "ended") return undefined;
      if (message === undefined) this.#finish([each]);
      else {
        this.#tracked.set(message, each);
        this.#messages.set(each, message);
        messages.push(message);
      }
    }
    return messages;
  }

  #finish(tracked: readonly Tracked<JsMsg>[]): void {
    for (const each of tracked) this.#options.progress.finish(each);
    this.#options.onFinished();
  }
}
