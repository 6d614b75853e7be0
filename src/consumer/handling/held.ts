/** A partition's messages from their delivery on: those that wait, and those that are under way. */
import { Fifo } from "../../fifo.ts";
import type { Breather } from "./breather.ts";
import type { Delivered } from "../delivery/delivered.ts";
import { Message } from "../message.ts";
import type { Progress } from "../progress.ts";
import { decodeReplay } from "../dead-letters/replay.ts";

/** What holding them needs. */
export interface HeldOptions {
  partition: number;
  progress: Progress<Delivered>;
  /** The member's: its handlers share one event loop. */
  breather: Breather;
  /** How many messages may be under way, or handled and not committed. */
  window: number;
  /** How many messages are handed out one at a time before batches are. */
  singly: number;
  /** The dead letter that a message stands for; `"ended"` when that could not be found out. */
  readReplay: (delivered: Delivered) => Promise<Message | undefined | "ended">;
  /** Nothing waits although there is room: the handler has to wait. */
  onEmpty: () => void;
  /** So many messages have finished: there may be something to commit. */
  onFinished: (count: number) => void;
}

/** One partition's messages. */
export class Held {
  readonly #options: HeldOptions;
  readonly #waiting = new Fifo<Delivered>();
  #singly: number;
  #bytes = 0;
  #closed = false;
  #wake = (): void => {};

  constructor(options: HeldOptions) {
    this.#options = options;
    this.#singly = options.singly;
  }

  /** How many messages were delivered and are not handled. What is handled behind one that is not is bounded by the window. */
  get count(): number {
    return this.#waiting.size + this.#options.progress.underWay;
  }

  /** How many bytes the messages have that are kept: those that are not handled, and those behind one. */
  get bytes(): number {
    return this.#bytes;
  }

  /** A message is handled, and all before it. */
  cleared(delivered: Delivered): void {
    this.#bytes -= delivered.size;
  }

  /** A message was delivered. */
  add(delivered: Delivered): void {
    this.#bytes += delivered.size;
    this.#waiting.push(delivered);
    this.#wake();
  }

  /** Looks again whether there is something to hand out, as after a commit. */
  wake(): void {
    this.#wake();
  }

  /** Hands nothing out any more. */
  close(): void {
    this.#closed = true;
    this.#waiting.clear();
    this.#wake();
  }

  /**
   * The next messages, at least one and at most `max`; undefined when there are none that can be told
   * at once, or none will come any more.
   */
  takeNow(max: number): readonly Message[] | undefined {
    const { breather, partition, progress } = this.#options;
    if (breather.due || this.#closed) return undefined;
    const most = this.#most(max);
    const messages: Message[] = [];
    for (let { first } = this.#waiting; first !== undefined; { first } = this.#waiting) {
      if (messages.length >= most || isReplay(first)) break;
      this.#waiting.shift();
      progress.start(first);
      messages.push(Message.from(first, partition));
    }
    if (messages.length === 0) return undefined;
    this.#singly--;
    return messages;
  }

  /** The next messages, at least one and at most `max`; undefined when there will be no more. */
  async take(max: number): Promise<readonly Message[] | undefined> {
    const { breather } = this.#options;
    for (;;) {
      if (breather.due) await breather.breathe();
      if (this.#closed) return undefined;
      const messages = this.takeNow(max);
      if (messages !== undefined) return messages;
      if (this.#most(max) > 0 && this.#waiting.size > 0) {
        const replayed = await this.#takeReplay();
        if (replayed === "ended") return undefined;
        if (replayed !== undefined) return [replayed];
      } else {
        if (this.#waiting.size === 0) this.#options.onEmpty();
        await new Promise<void>((resolve) => (this.#wake = resolve));
      }
    }
  }

  /** The messages are handled. */
  finish(messages: readonly Message[]): void {
    for (const { sequence } of messages) this.#options.progress.finish(sequence);
    this.#options.onFinished(messages.length);
  }

  /** How many messages may be handed out next. */
  #most(max: number): number {
    const { window, progress } = this.#options;
    return Math.min(this.#singly > 0 ? 1 : max, window - progress.uncommitted);
  }

  /** The dead letter that the next message stands for; undefined when there is none to handle. */
  async #takeReplay(): Promise<Message | undefined | "ended"> {
    const { progress, readReplay, onFinished } = this.#options;
    const delivered = this.#waiting.shift();
    if (delivered === undefined) return undefined;
    this.#singly--;
    progress.start(delivered);
    const message = await readReplay(delivered);
    if (message !== undefined) return message;
    progress.finish(delivered.sequence);
    onFinished(1);
    return undefined;
  }
}

/** Whether it asks for a dead letter to be tried again. Hardly any does, and this one look says so. */
function isReplay(delivered: Delivered): boolean {
  return delivered.data.length === 0 && decodeReplay(delivered.raw) !== undefined;
}
