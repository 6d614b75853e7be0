/** A producer's use of its connection: sends messages, and hears what became of them. */
import { errors, type Msg, type NatsConnection, type Status } from "@nats-io/transport-node";
import { DocktorError } from "../errors.ts";
import { followChanges } from "../nats/connection-changes.ts";
import { fromNats } from "../nats/errors.ts";
import { newInbox } from "../nats/inbox.ts";
import type { Outgoing } from "./message.ts";
import type { Outlet } from "./sender.ts";
import { EncodedHeaders, type Reply, ReplyReader } from "./wire.ts";

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
  readonly #reader = new ReplyReader();
  /** As the server said last; between connections it says nothing. */
  #maxPayload = Number.POSITIVE_INFINITY;
  readonly #close: () => void;

  constructor(connection: NatsConnection, events: ChannelEvents) {
    this.#connection = connection;
    this.#events = events;
    this.#inbox = newInbox(connection);
    const acks = connection.subscribe(`${this.#inbox}.*`, {
      callback: (error, message) => this.#receive(error, message),
    });
    const unfollow = followChanges(connection, (status) => this.#follow(status));
    this.#close = () => {
      acks.unsubscribe();
      unfollow();
    };
    void connection.closed().then((error) => events.ended(closedError(error)));
  }

  /** Bytes that one message, headers and data, may have. */
  get maxPayload(): number {
    this.#maxPayload = this.#connection.info?.max_payload ?? this.#maxPayload;
    return this.#maxPayload;
  }

  /**
   * Between connections the client keeps what is published and sends it ahead of any
   * retry. `status()` tells of a lost connection a little later than `info` does, which is
   * unset from before the client starts to keep things until the next server greets.
   */
  isUp(): boolean {
    return this.#connection.info !== undefined;
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
  }

  #receive(error: Error | null, message: Msg): void {
    if (error !== null) {
      this.#events.ended(fromNats(error, `receive acks on ${this.#inbox}`));
      return;
    }
    const reply = this.#reader.read(message);
    if (reply === undefined) return;
    this.#events.answer(Number(message.subject.slice(this.#inbox.length + 1)), reply);
  }

  #follow(status: Status): void {
    if (status.type === "disconnect") this.#events.down();
    else if (status.type === "reconnect") this.#events.up();
    else if (status.type === "error") {
      const { error } = status;
      if (error instanceof errors.PermissionViolationError && error.operation === "publish") {
        this.#events.forbidden(error.subject, fromNats(error, `publish to ${error.subject}`));
      }
    }
  }
}

function closedError(reason: Error | void): DocktorError {
  const why = reason instanceof Error ? `: ${reason.message}` : "";
  return new DocktorError("CONNECTION_CLOSED", `the connection to NATS was closed${why}`, {
    cause: reason,
  });
}
