/** Publishing messages by key, acknowledged and pipelined. */
import { randomBytes } from "node:crypto";
import { millis } from "@nats-io/transport-node";
import { DocktorError } from "../errors.ts";
import { type Link, openLink } from "../nats/connection.ts";
import { fromNats } from "../nats/errors.ts";
import type { MessageHeaders } from "../nats/headers.ts";
import { patiently } from "../nats/patience.ts";
import { partitionSubject, partitionSubjects } from "../partition/names.ts";
import { partitionOf } from "../partition/partitioner.ts";
import { openPartitionedStream } from "../partition/stream.ts";
import type { Outgoing, Pending, PublishAck } from "./message.ts";
import { type ProducerOptions, type ProducerSettings, resolveOptions } from "./options.ts";
import { Channel } from "./channel.ts";
import { publishMany } from "./publish-many.ts";
import { Window } from "./window.ts";
import { checkMessageId, encodeData, encodeHeaders } from "./wire.ts";

/** What may be said of a message beside its key and data. */
export interface PublishOptions {
  /**
   * Names the message, so that the stream stores it only once however often it is
   * published within the stream's `duplicate_window` (2 minutes unless configured).
   * Default: a generated one, which covers the retries of one `publish`.
   */
  messageId?: string;
  /** Names that begin with `Docktor-` or `Nats-` are reserved. */
  headers?: MessageHeaders;
}

/** A message for {@link Producer.publishMany}. */
export interface MessageToPublish extends PublishOptions {
  /** Decides the partition, as in {@link Producer.publish}. */
  readonly key: string;
  readonly data: Uint8Array | string;
}

interface Prepared {
  readonly link: Link;
  readonly options: ProducerSettings;
  readonly partitions: number;
  readonly streamCreated: boolean;
  readonly duplicateWindowMs: number;
}

/**
 * Publishes messages, each to the partition of its key.
 *
 * Messages are sent without waiting for each other's acks, up to `maxInFlight`; the others
 * wait inside the producer, which has no limit of its own. Loops pace themselves with
 * {@link Producer.ready}:
 *
 * ```ts
 * for (const order of orders) {
 *   await producer.ready();
 *   producer.publish(order.id, JSON.stringify(order)).catch(report);
 * }
 * await producer.flush();
 * ```
 *
 * A message without an ack is sent again under the same message id, so that it is stored
 * once; `order` in {@link ProducerOptions} says what that means for the order.
 */
export class Producer implements AsyncDisposable {
  /** How many partitions the subject has. */
  readonly partitions: number;
  /** Whether this producer has created the stream, as `ensureStream` lets it. */
  readonly streamCreated: boolean;
  readonly #link: Link;
  readonly #options: ProducerSettings;
  readonly #subjects: readonly string[];
  readonly #channel: Channel;
  readonly #window: Window;
  readonly #idPrefix: string = randomBytes(9).toString("base64url");
  #published = 0;
  #closed: Promise<void> | undefined;

  private constructor(prepared: Prepared) {
    const { link, options, partitions, streamCreated, duplicateWindowMs } = prepared;
    this.partitions = partitions;
    this.streamCreated = streamCreated;
    this.#link = link;
    this.#options = options;
    this.#subjects = partitionSubjects(options.subject, partitions);
    this.#channel = new Channel(link.connection, {
      answer: (token, reply) => this.#window.answer(token, reply),
      down: () => this.#window.suspend(),
      up: () => this.#window.resume(),
      forbidden: (subject, error) => this.#window.forbid(subject, error),
      ended: (error) => this.#window.end(error),
    });
    const resendForMs = Math.min(options.retryForMs, safeResendMs(duplicateWindowMs));
    this.#window = new Window({ ...options, resendForMs }, this.#channel);
  }

  /**
   * Connects, checks that the stream stores the partitions' subjects, and agrees with
   * everyone else on how many partitions there are.
   *
   * @throws DocktorError INVALID_OPTION, CONNECTION_FAILED, CONNECTION_CLOSED,
   *   NOT_AUTHORIZED, JETSTREAM_DISABLED, SERVER_UNSUPPORTED, STREAM_NOT_FOUND,
   *   STREAM_SUBJECT_MISMATCH, STREAM_UNSUITABLE, PARTITION_COUNT_MISMATCH,
   *   PARTITION_COUNT_UNKNOWN, TIMEOUT
   */
  static async connect(options: ProducerOptions): Promise<Producer> {
    const resolved = resolveOptions(options);
    const link = await openLink(options, `docktor producer ${resolved.subject}`);
    let producer: Producer | undefined;
    try {
      producer = new Producer(await prepare(link, resolved, options));
      // Should the server refuse the inbox, it does so before it answers this.
      await link.connection.flush();
      await producer.ready();
      return producer;
    } catch (error) {
      await producer?.close();
      await link.close();
      throw fromNats(error, "connect the producer");
    }
  }

  /** Messages published that are neither stored nor given up yet. */
  get pending(): number {
    return this.#window.pending;
  }

  /** Those of them that were sent; at most `maxInFlight`. */
  get inFlight(): number {
    return this.#window.inFlight;
  }

  /** The bytes, headers and data, of those that were sent; at most `maxInFlightBytes`. */
  get inFlightBytes(): number {
    return this.#window.inFlightBytes;
  }

  /**
   * Publishes a message; resolves once the stream has stored it. Handle the rejection,
   * also when not awaiting it. `data` must not be changed before.
   *
   * @param key decides the partition; messages of one key stay in order. May be empty, but
   *   not begin or end with white space, nor contain line breaks or NUL.
   * @throws DocktorError (as a rejection)
   *   INVALID_OPTION: the key, an id, a header or the data cannot be sent;
   *   PAYLOAD_TOO_LARGE: headers and data exceed the server's or the stream's limit;
   *   STREAM_FULL: the stream, the account or the disk is at its limit;
   *   PUBLISH_REJECTED: the stream refused it for another reason;
   *   PUBLISH_TIMEOUT: no ack came in time, and the message says whether it may be stored;
   *   NOT_AUTHORIZED: the server forbids publishing to the subject;
   *   CONNECTION_CLOSED: the connection was closed for good;
   *   CLOSED: the producer was closed before.
   */
  publish(
    key: string,
    data: Uint8Array | string,
    options: PublishOptions = {},
  ): Promise<PublishAck> {
    return new Promise((stored, failed) => this.#take(key, data, options, stored, failed));
  }

  /**
   * Publishes messages as fast as the stream stores them, and takes no more of them than are on their way:
   * as {@link Producer.publish} and {@link Producer.ready} in a loop, without a promise for each.
   *
   * @returns how many there were, once all are stored
   * @throws DocktorError of the first that failed, or of `messages` itself (UNEXPECTED), once those on their way
   *   have an outcome; no more are taken then, and the error says how many are stored
   */
  publishMany(
    messages: Iterable<MessageToPublish> | AsyncIterable<MessageToPublish>,
  ): Promise<number> {
    return publishMany(messages, {
      hasRoom: () => this.#closed === undefined && this.#window.hasRoom,
      ready: () => this.ready(),
      take: (message, stored, failed) =>
        this.#take(message.key, message.data, message, stored, failed),
      flush: () => this.flush(),
    });
  }

  /**
   * Resolves when another message would be sent at once: as soon as fewer than
   * `maxInFlight` messages and `maxInFlightBytes` bytes are pending. Lets a loop publish as
   * fast as the server stores, without holding a promise per message.
   *
   * @throws DocktorError CLOSED, CONNECTION_CLOSED, NOT_AUTHORIZED
   */
  ready(): Promise<void> {
    return this.#closed === undefined ? this.#window.ready() : Promise.reject(closedError());
  }

  /**
   * Resolves when every message published so far is stored or has failed. It never
   * rejects: what became of a message is told by the promise of its `publish`.
   */
  flush(): Promise<void> {
    return this.#window.flush();
  }

  /**
   * Accepts no more messages, waits for those that are pending, up to `retryForMs`, and
   * disconnects. A connection that was handed in stays open. May be called again.
   */
  close(): Promise<void> {
    this.#closed ??= this.#close();
    return this.#closed;
  }

  /** As {@link Producer.close}. */
  [Symbol.asyncDispose](): Promise<void> {
    return this.close();
  }

  async #close(): Promise<void> {
    this.#window.endWithin(this.#options.retryForMs);
    await this.#window.flush();
    this.#window.end(closedError());
    this.#channel.close();
    await this.#link.close();
  }

  #take(
    key: string,
    data: Uint8Array | string,
    options: PublishOptions,
    stored: Pending["resolve"],
    failed: Pending["reject"],
  ): void {
    if (this.#closed !== undefined) return failed(closedError());
    let message: Outgoing;
    try {
      message = this.#encode(key, data, options);
    } catch (error) {
      return failed(error as Error);
    }
    this.#window.take(message, stored, failed);
  }

  #encode(key: string, data: Uint8Array | string, options: PublishOptions): Outgoing {
    const { messageId } = options;
    const id =
      messageId === undefined
        ? `${this.#idPrefix}-${this.#published++}`
        : checkMessageId(messageId);
    const headers = encodeHeaders(key, id, options.headers);
    const bytes = encodeData(data);
    const size = headers.length + bytes.length;
    if (size > this.#channel.maxPayload) {
      throw new DocktorError(
        "PAYLOAD_TOO_LARGE",
        `the message has ${size} bytes with its headers, the server accepts ${this.#channel.maxPayload}: send less, or raise max_payload in the server's configuration`,
      );
    }
    const partition = partitionOf(key, this.partitions);
    return {
      partition,
      subject: this.#subjects[partition] ?? partitionSubject(this.#options.subject, partition),
      messageId: id,
      idGiven: messageId !== undefined,
      headers,
      data: bytes,
      size,
    };
  }
}

async function prepare(
  link: Link,
  resolved: ProducerSettings,
  options: ProducerOptions,
): Promise<Prepared> {
  const { stream, subject } = resolved;
  const { config, partitions, created } = await patiently({}, () =>
    openPartitionedStream(link, {
      stream,
      subject,
      partitions: resolved.partitions,
      ensureStream: options.ensureStream ?? false,
    }),
  );
  return {
    link,
    options: resolved,
    partitions,
    streamCreated: created,
    duplicateWindowMs: millis(config.duplicate_window),
  };
}

/**
 * For how long the stream surely remembers a message id. It counts from when it stored
 * the message, which is after the first attempt; a resend takes time to arrive.
 */
function safeResendMs(duplicateWindowMs: number): number {
  return duplicateWindowMs - Math.min(2_000, duplicateWindowMs / 2);
}

function closedError(): DocktorError {
  return new DocktorError("CLOSED", "the producer is closed: connect another one");
}
