/** A producer's use of its connection: sends messages, and hears what became of them. */
import {
  createInbox,
  errors,
  type Msg,
  type NatsConnection,
  type QueuedIterator,
  type ServerInfo,
  type Status,
} from "@nats-io/transport-node";
import { DocktorError } from "../errors.ts";
import { fromNats } from "../nats/errors.ts";
import type { Outgoing } from "./message.ts";
import { EncodedHeaders, parseReply, type Reply } from "./wire.ts";
import type { Outlet } from "./window.ts";

/** What a channel tells its producer. */
export interface ChannelEvents {
  answer(token: number, reply: Reply): void;
  /** The connection is lost; the client is looking for another. */
  down(): void;
  /** There is another connection. */
  up(): void;
  /** The server forbids publishing to a subject. */
  forbidden(subject: string, error: DocktorError): void;
  /** No ack can arrive any more. */
  ended(error: DocktorError): void;
}

/**
 * A producer's own use of a connection: one inbox for all acks, whose last token names
 * the message, instead of a request with a timer and a promise for each.
 */
export class Channel implements Outlet {
  readonly #connection: NatsConnection;
  readonly #inbox: string;
  readonly #events: ChannelEvents;
  readonly #headers = new EncodedHeaders();
  readonly #statuses: AsyncIterable<Status>;
  /** The connection on which everything in flight was sent, as its server described it. */
  #known: ServerInfo | undefined;
  #maxPayload: number;
  #close: () => void;

  constructor(connection: NatsConnection, events: ChannelEvents) {
    this.#connection = connection;
    this.#events = events;
    this.#inbox = createInbox(inboxPrefix(connection));
    this.#statuses = connection.status();
    this.#known = connection.info;
    this.#maxPayload = connection.info?.max_payload ?? Number.POSITIVE_INFINITY;
    const acks = connection.subscribe(`${this.#inbox}.*`, {
      callback: (error, message) => this.#receive(error, message),
    });
    this.#close = () => acks.unsubscribe();
    void this.#follow();
    void connection.closed().then((error) => events.ended(closedError(error)));
  }

  /** Bytes that one message, headers and data, may have on this connection. */
  get maxPayload(): number {
    return this.#maxPayload;
  }

  /**
   * The client buffers what is published while it connects, and drops what it could not
   * send before; neither keeps the order of a retry. Its `status()` tells of a lost
   * connection only a little later, but its `info` is another one at once.
   */
  isUp(): boolean {
    const info = this.#connection.info;
    if (info === this.#known) return info !== undefined;
    if (info === undefined || this.#known === undefined) return false;
    // A server also sends its description again when its cluster changes.
    const same =
      info.client_id === this.#known.client_id && info.server_id === this.#known.server_id;
    if (same) this.#learn(info);
    return same;
  }

  send(message: Outgoing, token: number): void {
    try {
      this.#connection.publish(message.subject, message.data, {
        headers: this.#headers.of(message.headers),
        reply: `${this.#inbox}.${token}`,
      });
    } catch (error) {
      throw fromNats(error, `publish to ${message.subject}`);
    }
  }

  /** Stops listening. */
  close(): void {
    this.#close();
    // Without this, a connection of the caller's own would keep the queue of its changes.
    (this.#statuses as Partial<QueuedIterator<Status>>).stop?.();
  }

  #learn(info: ServerInfo | undefined): void {
    this.#known = info;
    this.#maxPayload = info?.max_payload ?? this.#maxPayload;
  }

  #receive(error: Error | null, message: Msg): void {
    if (error !== null) {
      this.#events.ended(fromNats(error, `receive acks on ${this.#inbox}`));
      return;
    }
    const reply = parseReply(message);
    if (reply === undefined) return;
    this.#events.answer(Number(message.subject.slice(this.#inbox.length + 1)), reply);
  }

  async #follow(): Promise<void> {
    for await (const status of this.#statuses) {
      if (status.type === "disconnect") {
        this.#events.down();
      } else if (status.type === "reconnect") {
        this.#learn(this.#connection.info);
        this.#events.up();
      } else if (status.type === "error") {
        const { error } = status;
        if (error instanceof errors.PermissionViolationError && error.operation === "publish") {
          this.#events.forbidden(error.subject, fromNats(error, `publish to ${error.subject}`));
        }
      }
    }
  }
}

/** The connection's own inbox prefix, which permissions may depend on. */
function inboxPrefix(connection: NatsConnection): string | undefined {
  const { options } = connection as { options?: { inboxPrefix?: string } };
  return options?.inboxPrefix;
}

function closedError(reason: Error | void): DocktorError {
  const why = reason instanceof Error ? `: ${reason.message}` : "";
  return new DocktorError("CONNECTION_CLOSED", `the connection to NATS was closed${why}`, {
    cause: reason,
  });
}
