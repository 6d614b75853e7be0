/**
 * What becomes of a partition's messages that their handler cannot handle, and of those that are
 * tried again after all.
 */
import type { DeadLetterReason } from "../../events.ts";
import { keyToken } from "./dead-letter.ts";
import type { DeadLetterStream } from "./dead-letter-stream.ts";
import type { Delivered } from "../delivery/delivered.ts";
import { Message } from "../message.ts";
import { decodeReplay } from "./replay.ts";

/**
 * What becomes of a message whose handler has failed `maxAttempts` times.
 *
 * - `block`: it is tried for ever, and those behind it wait
 * - `dead-letter`: it is set aside in the stream `<stream>_DLQ`, and those behind it go on
 * - `park-key`: it is set aside, and the later messages of its key follow it there, in order;
 *   those of other keys go on
 *
 * Messages without a key count as one key.
 */
export type PoisonPolicy = "block" | "dead-letter" | "park-key";

/** What to do about messages that cannot be handled. */
export interface PoisonOptions {
  /** Default `"block"`. `"park-key"` needs `eachMessage`. */
  readonly policy?: PoisonPolicy;
  /**
   * How often a handler may fail on a message until it is set aside, from 1 to 1,000; counted
   * across members. Default 10, which takes about half a minute. Without meaning for `block`.
   */
  readonly maxAttempts?: number;
}

/** The policy with its defaults filled in. */
export interface PoisonSettings {
  readonly policy: PoisonPolicy;
  readonly maxAttempts: number;
}

/** Why a message is set aside. */
export interface Failure {
  readonly reason: DeadLetterReason;
  readonly attempts: number;
  readonly error: string;
}

/** A message was set aside, or one that is set aside failed again. */
interface SetAside extends Failure {
  readonly message: Message;
  /** Its id among the dead letters. */
  readonly deadLetter: number;
}

/** What following the policy on one partition needs. */
export interface PoisonOfPartitionOptions {
  settings: PoisonSettings;
  /** Opens the group's dead letters. */
  letters: () => Promise<DeadLetterStream>;
  group: string;
  memberId: string;
  partition: number;
  onSetAside: (what: SetAside) => void;
}

/** The policy at work on one partition. Its calls reject, and may be repeated, when NATS does not answer. */
export class PoisonOfPartition {
  readonly #options: PoisonOfPartitionOptions;
  /** The keys, by their tokens, that may have dead letters. */
  #parked = new Set<string>();
  /** The dead letter that a message stands for. */
  readonly #replayed = new WeakMap<Message, number>();
  /** The dead letters that are being tried again. */
  readonly #underWay = new Set<number>();
  /** The sequences of what was set aside; a handler that hung may yet return and fail. */
  readonly #aside = new Set<number>();

  constructor(options: PoisonOfPartitionOptions) {
    this.#options = options;
  }

  /** After how many failures a message is set aside. */
  get maxAttempts(): number {
    const { policy, maxAttempts } = this.#options.settings;
    return policy === "block" ? Infinity : maxAttempts;
  }

  /** Whether messages may have to pass by their handler. */
  get parks(): boolean {
    return this.#options.settings.policy === "park-key";
  }

  /** Whether the message stands for a dead letter. */
  isReplay(message: Message): boolean {
    return this.#replayed.has(message);
  }

  /** Learns which keys are parked; nothing may be handled before. */
  async open(): Promise<void> {
    const { letters, group, partition } = this.#options;
    if (!this.parks) return;
    this.#parked = await (await letters()).parked(group, partition);
  }

  /**
   * The message to handle: the one that came, or the dead letter that it stands for. Undefined when
   * that is gone, is being tried already, or is another group's.
   */
  async read(delivered: Delivered): Promise<Message | undefined> {
    const { letters, group, partition } = this.#options;
    const asked = decodeReplay(delivered.raw);
    if (asked === undefined) return Message.from(delivered, partition);
    if (asked.group !== group || this.#underWay.has(asked.id)) return undefined;
    const letter = await (await letters()).get(asked.id);
    if (letter?.group !== group || letter.partition !== partition) return undefined;
    const message = Message.replayed(delivered, partition, letter);
    this.#replayed.set(message, letter.id);
    this.#underWay.add(letter.id);
    return message;
  }

  /**
   * Whether there is nothing to call the handler for: the message's key is parked, and it has
   * followed; or it stands for a dead letter before which others of its key must go.
   */
  async passesBy(message: Message): Promise<boolean> {
    const { letters, group, partition } = this.#options;
    const { key } = message;
    const id = this.#replayed.get(message);
    const token = keyToken(key);
    if (id === undefined && !this.#parked.has(token)) return false;
    const first = await (await letters()).first({ group, partition, key });
    if (id !== undefined) {
      if (first !== id) this.#underWay.delete(id);
      return first !== id;
    }
    if (first === undefined) {
      // Handled since, or removed by an operator: the key is free.
      this.#parked.delete(token);
      return false;
    }
    await this.setAside(message, { reason: "parked", attempts: 0, error: "its key is parked" });
    return true;
  }

  /** Stores the message among the dead letters, or leaves it there. */
  async setAside(message: Message, failure: Failure): Promise<void> {
    const { letters, group, memberId, partition, onSetAside } = this.#options;
    const { key, subject, sequence, timestamp, headers, data } = message;
    if (this.#aside.has(sequence)) return;
    let deadLetter = this.#replayed.get(message);
    if (deadLetter === undefined) {
      const origin = { subject, sequence, timestamp };
      const where = { group, partition, memberId, origin };
      deadLetter = await (await letters()).put({ ...failure, ...where, key, headers, data });
      this.#parked.add(keyToken(key));
    }
    // It may have failed and been found hanging at the same time.
    if (this.#aside.has(sequence)) return;
    this.#aside.add(sequence);
    this.#underWay.delete(deadLetter);
    onSetAside({ ...failure, message, deadLetter });
  }

  /** The message was handled: if it stood for a dead letter, that one is gone. */
  async handled(message: Message): Promise<void> {
    const id = this.#replayed.get(message);
    if (id === undefined) return;
    await (await this.#options.letters()).remove(id);
    this.#underWay.delete(id);
  }
}
