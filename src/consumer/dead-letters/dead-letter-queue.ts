/** What groups have set aside, for whoever looks into it: listed, shown, tried again. */
import { systemClock } from "../../clock.ts";
import { DocktorError } from "../../errors.ts";
import { findBucket } from "../../lease/kv-store.ts";
import { checkpointKey, parseCheckpoint } from "../../lease/records.ts";
import { type ConnectionSource, type Link, openLink } from "../../nats/connection.ts";
import { fromNats } from "../../nats/errors.ts";
import { readStream } from "../../nats/stream.ts";
import { type Names, refuseUnknown } from "../../options.ts";
import { checkName, leasesBucket } from "../../partition/names.ts";
import { DeadLetterStream, type StoredDeadLetter } from "./dead-letter-stream.ts";
import { encodeReplay } from "./replay.ts";

/** How often to look whether a replay has been dealt with. */
const LOOK_MS = 100;

/** Whose dead letters. */
export interface DeadLetterQueueOptions extends ConnectionSource {
  /** The stream that the messages were published to. */
  readonly stream: string;
}

const DEAD_LETTER_QUEUE_OPTIONS: Names<DeadLetterQueueOptions> = {
  servers: true,
  connection: true,
  stream: true,
};

/**
 * What became of a replayed dead letter.
 *
 * - `handled`: its group has handled it, and it is gone
 * - `failed`: its group has tried, and it stays; or an earlier one of its key does, and it must wait
 * - `pending`: no member has got to it yet
 */
export interface Replayed {
  readonly id: number;
  readonly outcome: "handled" | "failed" | "pending";
}

/** The dead letters of a stream. */
export class DeadLetterQueue implements AsyncDisposable {
  readonly #link: Link;
  readonly #stream: string;

  private constructor(link: Link, stream: string) {
    this.#link = link;
    this.#stream = stream;
  }

  /**
   * Connects.
   *
   * @throws DocktorError INVALID_OPTION, STREAM_NOT_FOUND and those of the connection
   */
  static async connect(options: DeadLetterQueueOptions): Promise<DeadLetterQueue> {
    refuseUnknown(options, DEAD_LETTER_QUEUE_OPTIONS);
    const stream = checkName("stream", options.stream);
    const link = await openLink(options, `docktor dead letters of ${stream}`);
    try {
      await readStream(link.manager, stream);
    } catch (error) {
      await link.close();
      throw error;
    }
    return new DeadLetterQueue(link, stream);
  }

  /**
   * All of them, or those of one group, in the order in which they were set aside.
   *
   * @throws DocktorError INVALID_OPTION, TIMEOUT and others, when the next one is asked for
   */
  async *list(group?: string): AsyncIterable<StoredDeadLetter> {
    if (group !== undefined) checkName("group", group);
    const letters = await DeadLetterStream.find(this.#link, this.#stream);
    if (letters !== undefined) yield* letters.list(group);
  }

  /** The one of that id; undefined when there is none. */
  async get(id: number): Promise<StoredDeadLetter | undefined> {
    const letters = await DeadLetterStream.find(this.#link, this.#stream);
    return await letters?.get(id);
  }

  /**
   * Has their groups try these again, in the order given, and waits for what becomes of them.
   * Each takes its turn in its partition like a message that was just published: order, commits
   * and fencing are the same. One that is handled is removed.
   *
   * Under the policy `park-key`, messages of its key that come meanwhile are set aside behind it:
   * list again, and replay what is left.
   *
   * @param timeoutMs for how long to wait, in milliseconds. Default 30,000. What is pending then is
   *   tried all the same as soon as a member gets to it.
   * @throws DocktorError DEAD_LETTER_NOT_FOUND, before any of them is tried; NOT_AUTHORIZED
   */
  async replay(ids: Iterable<number>, timeoutMs = 30_000): Promise<Replayed[]> {
    const letters: StoredDeadLetter[] = [];
    for (const id of ids) {
      const letter = await this.get(id);
      if (letter === undefined) throw notThere(this.#stream, id);
      letters.push(letter);
    }
    // In the order given: one after the other.
    const asked: { letter: StoredDeadLetter; sequence: number }[] = [];
    for (const letter of letters) asked.push({ letter, sequence: await this.#ask(letter) });
    const endsAt = systemClock.now() + timeoutMs;
    const outcomes: Replayed[] = [];
    for (const { letter, sequence } of asked) {
      while (!(await this.#reached(letter, sequence)) && systemClock.now() < endsAt) {
        await systemClock.sleep(LOOK_MS);
      }
      outcomes.push({ id: letter.id, outcome: await this.#outcome(letter, sequence) });
    }
    return outcomes;
  }

  /** Closes the connection, if it is docktor's. */
  async close(): Promise<void> {
    await this.#link.close();
  }

  async [Symbol.asyncDispose](): Promise<void> {
    await this.close();
  }

  async #ask(letter: StoredDeadLetter): Promise<number> {
    const { origin } = letter;
    try {
      const asking = { headers: encodeReplay(letter) };
      return (await this.#link.jetstream.publish(origin.subject, "", asking)).seq;
    } catch (error) {
      throw fromNats(error, `ask for a replay on ${origin.subject}`);
    }
  }

  async #outcome(letter: StoredDeadLetter, sequence: number): Promise<Replayed["outcome"]> {
    if ((await this.get(letter.id)) === undefined) return "handled";
    return (await this.#reached(letter, sequence)) ? "failed" : "pending";
  }

  /** Whether the letter's group has got beyond that sequence of its partition. */
  async #reached({ group, partition }: StoredDeadLetter, sequence: number): Promise<boolean> {
    const store = await findBucket(this.#link, leasesBucket(this.#stream, group));
    const entry = await store?.get(checkpointKey(partition));
    return entry !== undefined && parseCheckpoint(entry.key, entry.value).sequence >= sequence;
  }
}

function notThere(stream: string, id: number): DocktorError {
  return new DocktorError(
    "DEAD_LETTER_NOT_FOUND",
    `stream ${stream} has no dead letter ${id}: list them with "docktor dlq list --stream ${stream}"`,
  );
}
