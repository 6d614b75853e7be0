/** The stream `<stream>_DLQ`, which keeps the messages that groups of a stream have set aside. */
import { type PubAck, StorageType, type StoredMsg, type StreamConfig } from "@nats-io/jetstream";
import { nanos } from "@nats-io/transport-node";
import { DocktorError } from "../../errors.ts";
import type { Link } from "../../nats/connection.ts";
import { fromNats, isMessageNotFound, isStreamNotFound } from "../../nats/errors.ts";
import { natsHeaders, plainHeaders } from "../../nats/headers.ts";
import { openStream } from "../../nats/stream.ts";
import {
  type DeadLetter,
  deadLetterStream,
  deadLetterSubject,
  deadLetterSubjects,
  decodeDeadLetter,
  encodeDeadLetter,
} from "./dead-letter.ts";

/** For how long the stream knows a repetition for one: a crash just after storing repeats it. */
const DUPLICATE_WINDOW_MS = 10 * 60_000;

/** A dead letter in its stream. */
export interface StoredDeadLetter extends DeadLetter {
  /** Its sequence in the dead-letter stream: names it in `show` and `replay`. */
  readonly id: number;
  /** When it was set aside. */
  readonly setAsideAt: Date;
}

/** Keeps the dead letters of one stream. */
export class DeadLetterStream {
  readonly #link: Link;
  readonly #origin: string;
  readonly #name: string;

  private constructor(link: Link, origin: string) {
    this.#link = link;
    this.#origin = origin;
    this.#name = deadLetterStream(origin);
  }

  /**
   * Opens the dead letters of the stream `origin`, creating their stream when it is missing.
   *
   * @throws DocktorError STREAM_SUBJECT_MISMATCH, STREAM_UNSUITABLE, NOT_AUTHORIZED
   */
  static async open(
    link: Link,
    origin: Pick<StreamConfig, "name" | "num_replicas">,
  ): Promise<DeadLetterStream> {
    const subjects = [deadLetterSubjects(origin.name)];
    await openStream(link.manager, {
      stream: deadLetterStream(origin.name),
      subjects,
      createSubjects: subjects,
      ensureStream: {
        storage: StorageType.File,
        num_replicas: origin.num_replicas,
        duplicate_window: nanos(DUPLICATE_WINDOW_MS),
      },
    });
    return new DeadLetterStream(link, origin.name);
  }

  /** Opens those of the stream `origin`; undefined when nothing was ever set aside there. */
  static async find(link: Link, origin: string): Promise<DeadLetterStream | undefined> {
    try {
      await link.manager.streams.info(deadLetterStream(origin));
    } catch (error) {
      if (isStreamNotFound(error)) return undefined;
      throw fromNats(error, `read stream ${deadLetterStream(origin)}`);
    }
    return new DeadLetterStream(link, origin);
  }

  /**
   * Stores a letter and returns its id; the same one when it is there already.
   *
   * @throws DocktorError STREAM_FULL, NOT_AUTHORIZED, TIMEOUT
   */
  async put(letter: DeadLetter): Promise<number> {
    const { group, partition, origin } = letter;
    const name = `${group}.${partition}.${origin.sequence}.${origin.timestamp.getTime()}`;
    let ack = await this.#publish(letter, name);
    // Taken for one that is gone, as for a replayed one when its group has started over: it is stored anew.
    while (ack.duplicate && (await this.#read({ seq: ack.seq })) === undefined) {
      ack = await this.#publish(letter, `${name}.${ack.seq}`);
    }
    return ack.seq;
  }

  async #publish(letter: DeadLetter, msgID: string): Promise<PubAck> {
    const { partition } = letter;
    const subject = deadLetterSubject(this.#origin, letter);
    const headers = natsHeaders(encodeDeadLetter(letter));
    try {
      return await this.#link.jetstream.publish(subject, letter.data, { headers, msgID });
    } catch (error) {
      const known = fromNats(error, `store a dead letter in stream ${this.#name}`);
      if (known.code !== "STREAM_FULL") throw known;
      throw new DocktorError(
        "STREAM_FULL",
        `${known.message}: raise its limits, or replay or remove dead letters; partition ${partition} waits for it`,
        { cause: error },
      );
    }
  }

  /** The letter of that id; undefined when it is gone. */
  async get(id: number): Promise<StoredDeadLetter | undefined> {
    return letterOf(await this.#read({ seq: id }));
  }

  /** The id of the earliest letter of a key; undefined when there is none. */
  async first(of: Pick<DeadLetter, "group" | "partition" | "key">): Promise<number | undefined> {
    const next = { seq: 1, next_by_subj: deadLetterSubject(this.#origin, of) };
    return (await this.#read(next))?.seq;
  }

  /** Every letter, or those of one group, in the order in which they were set aside. */
  async *list(group?: string): AsyncIterable<StoredDeadLetter> {
    const subjects = deadLetterSubjects(this.#origin, group);
    for (let seq = 1; ; ) {
      const found = await this.#read({ seq, next_by_subj: subjects });
      if (found === undefined) return;
      const letter = letterOf(found);
      if (letter !== undefined) yield letter;
      seq = found.seq + 1;
    }
  }

  /** Removes a letter, if it is there. */
  async remove(id: number): Promise<void> {
    try {
      await this.#link.manager.streams.deleteMessage(this.#name, id, false);
    } catch (error) {
      if (isMessageNotFound(error)) return;
      throw fromNats(error, `remove dead letter ${id} from stream ${this.#name}`);
    }
  }

  /** The keys, by their tokens, that have letters of that partition. */
  async parked(group: string, partition: number): Promise<Set<string>> {
    try {
      const subjects_filter = deadLetterSubjects(this.#origin, group, partition);
      const { state } = await this.#link.manager.streams.info(this.#name, { subjects_filter });
      const subjects = Object.keys(state.subjects ?? {});
      return new Set(subjects.map((subject) => subject.slice(subject.lastIndexOf(".") + 1)));
    } catch (error) {
      throw fromNats(error, `read the dead letters of partition ${partition}`);
    }
  }

  async #read(
    query: { seq: number } | { seq: number; next_by_subj: string },
  ): Promise<StoredMsg | undefined> {
    try {
      return (await this.#link.manager.streams.getMessage(this.#name, query)) ?? undefined;
    } catch (error) {
      if (isMessageNotFound(error)) return undefined;
      throw fromNats(error, `read dead letter ${query.seq} of stream ${this.#name}`);
    }
  }
}

/** What is stored, as a letter; undefined when it is something else. */
function letterOf(stored: StoredMsg | undefined): StoredDeadLetter | undefined {
  if (stored === undefined) return undefined;
  const letter = decodeDeadLetter(plainHeaders(stored.header), stored.data);
  return letter && { ...letter, id: stored.seq, setAsideAt: stored.time };
}
