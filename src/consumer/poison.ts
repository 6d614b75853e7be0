/**
 * What becomes of a partition's messages that their handler cannot handle, and of those that are
 * tried again after all.
 */
import type { JsMsg } from "@nats-io/jetstream";
import type { DeadLetterReason } from "../events.ts";
import { keyToken } from "./dead-letter.ts";
import type { DeadLetterStream } from "./dead-letter-stream.ts";
import { Message } from "./message.ts";

/**
 * What becomes of a message whose handler has failed `maxAttempts` times.
 *
 * - `block`: it is tried for ever, and those behind it wait
 * - `dead-letter`: it is set aside in the stream `<stream>_DLQ`, and those behind it go on
 * - `park-key`: it is set aside, and the later messages of its key follow it there, in order;
 *   those of other keys go on
 */
export type PoisonPolicy = "block" | "dead-letter" | "park-key";

/** Whether the message stands for a dead letter, of whatever group. Such a message has no data. */
export function asksForReplay(raw: JsMsg): boolean {
  return raw.data.length === 0 && raw.headers?.has(REPLAY_HEADER) === true;
}

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

/** The header of a message that asks a group to try a dead letter again: `<group> <id>`. */
export const REPLAY_HEADER = "Docktor-Replay";

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
  /** The group's dead letters, opened at the first need unless the policy has them open. */
  letters: () => Promise<DeadLetterStream>;
  group: string;
  memberId: string;
  partition: number;
  onSetAside: (what: SetAside) => void;
}

/** The policy at work on one partition. Its calls reject, and may be repeated, when NATS does not answer. */
export class PoisonOfPartition {
  readonly #options: PoisonOfPartitionOptions;
  /** The keys that are parked, by their tokens. */
  #parked = new Set<string>();
  /** The dead letter that a message stands for. */
  /** What was set aside while its handler hung, which may yet return and fail. */
  readonly #aside = new WeakSet<Message>();
  readonly #replayed = new WeakMap<Message, number>();

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
   * The message to handle: the one that came, or the dead letter that it stands for. Undefined
   * when that is gone, or another group's.
   */
  async read(raw: JsMsg): Promise<Message | undefined> {
    const { letters, group, partition } = this.#options;
    const [replayGroup, id] = raw.headers?.get(REPLAY_HEADER).split(" ") ?? [];
    if (id === undefined) return Message.from(raw, partition);
    if (replayGroup !== group) return undefined;
    const letter = await (await letters()).get(Number(id));
    if (letter === undefined) return undefined;
    const message = Message.replayed(raw, partition, letter);
    this.#replayed.set(message, letter.id);
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
    if (id !== undefined) return (await (await letters()).first({ group, partition, key })) !== id;
    if (!this.#parked.has(keyToken(key))) return false;
    await this.setAside(message, { reason: "parked", attempts: 0, error: "its key is parked" });
    return true;
  }

  /** Stores the message among the dead letters, or leaves it there. */
  async setAside(message: Message, failure: Failure): Promise<void> {
    const { letters, group, memberId, partition, onSetAside } = this.#options;
    const { key, subject, sequence, timestamp, headers, data } = message;
    if (this.#aside.has(message)) return;
    const kept = this.#replayed.get(message);
    if (kept !== undefined) return onSetAside({ ...failure, message, deadLetter: kept });
    const origin = { subject, sequence, timestamp };
    const deadLetter = await (await letters()).put({
      ...failure,
      group,
      partition,
      key,
      memberId,
      origin,
      headers,
      data,
    });
    this.#aside.add(message);
    this.#parked.add(keyToken(key));
    onSetAside({ ...failure, message, deadLetter });
  }

  /** The message was handled: if it stood for a dead letter, that one is gone, and maybe its key is free. */
  async handled(message: Message): Promise<void> {
    const id = this.#replayed.get(message);
    if (id === undefined) return;
    const { letters, group, partition } = this.#options;
    const { key } = message;
    const open = await letters();
    await open.remove(id);
    if ((await open.first({ group, partition, key })) === undefined) {
      this.#parked.delete(keyToken(key));
    }
  }
}
