/**
 * Pulls a durable's messages: keeps a request open for them, and sends another when it is used up, has
 * ended, or may be lost. What comes goes straight to a callback; the client's own `consume()`
 * takes apart the subjects of each message, which costs as much again as to receive it.
 */
import { type Msg, nanos } from "@nats-io/transport-node";
import type { Link } from "../../nats/connection.ts";
import { newInbox } from "../../nats/inbox.ts";
import { sizeOf } from "./delivered.ts";

/** How long the server keeps a request. */
const EXPIRES_MS = 30_000;

/** After so many heartbeats that did not come the server is asked again: whoever answered may be gone. */
const MISSED = 2;

/** What pulling needs. */
export interface PullOptions {
  link: Link;
  stream: string;
  /** The durable's name. */
  durable: string;
  /** How often the server is to show that it is there, in milliseconds. */
  heartbeatMs: number;
  /** How many messages may be held that are not handled. */
  limit: () => number;
  /** How many are held. */
  held: () => number;
  /** How many bytes they may have together. */
  limitBytes: () => number;
  /** How many they have. */
  heldBytes: () => number;
  onMessage: (message: Msg) => void;
  /** A request has ended, and there is no room for another: what is published from now on is not sent. */
  onIdle: () => void;
  /** The server is there, and has sent so many messages up to now. */
  onHeartbeat: (deliveries: number) => void;
  /** Heartbeats are missed. Whoever is there now is asked again, unless this pull is closed. */
  onSilent: () => void;
  /** The durable is not there, or nobody answers for it. */
  onGone: () => void;
}

/** An open request for a durable's messages. After a reconnect there is to be another pull. */
export class Pull {
  readonly #options: PullOptions;
  readonly #inbox: string;
  readonly #subject: string;
  /** How many messages are asked for and have not come. */
  #asked = 0;
  /** How many bytes they may have. */
  #askedBytes = 0;
  /** Whether any have come since they were asked for. */
  #came = false;
  /** Heartbeats that did not come since anything did. */
  #missed = 0;
  #closed = false;
  readonly #close: () => void;

  constructor(options: PullOptions) {
    this.#options = options;
    const { link, stream, durable, heartbeatMs } = options;
    const { connection } = link;
    this.#inbox = newInbox(connection);
    this.#subject = `$JS.API.CONSUMER.MSG.NEXT.${stream}.${durable}`;
    const subscription = connection.subscribe(this.#inbox, {
      callback: (error, message) => {
        if (error === null) this.#receive(message);
        // The server forbids the inbox.
        else options.onGone();
      },
    });
    const timer = setInterval(() => this.#look(), heartbeatMs);
    this.#close = () => {
      subscription.unsubscribe();
      clearInterval(timer);
    };
    this.more();
  }

  /** Whether nothing is asked for: what is published now is not sent. */
  get idle(): boolean {
    return this.#asked === 0;
  }

  /**
   * Asks for more when there is room for half of what may be held. One request at a time is open, so that what
   * may come fits in.
   */
  more(): void {
    this.#moreBeside(0, 0);
  }

  /** As {@link more}, when so much has come that is not held yet. */
  #moreBeside(count: number, bytes: number): void {
    if (this.#asked > 0) return;
    const { limit, held, limitBytes, heldBytes } = this.#options;
    const [most, mostBytes] = [limit(), limitBytes()];
    const [free, freeBytes] = [most - held() - count, Math.floor(mostBytes - heldBytes() - bytes)];
    if (free > 0 && free * 2 >= most && freeBytes * 2 >= mostBytes) this.#ask(free, freeBytes);
  }

  /** Nothing is handed over any more. */
  close(): void {
    this.#closed = true;
    this.#close();
  }

  #receive(message: Msg): void {
    this.#missed = 0;
    // Each message has a subject for its ack; what the server says of the request has none.
    if (!message.reply) return this.#hear(message);
    this.#came = true;
    const size = sizeOf(message);
    this.#askedBytes -= size;
    // A request that has used up its bytes to the last one ends without a word.
    if (this.#asked > 0) this.#asked = this.#askedBytes === 0 ? 0 : this.#asked - 1;
    // Before it is told: whether anything is asked for then says whether there are messages on their way.
    this.#moreBeside(1, size);
    this.#options.onMessage(message);
  }

  #hear({ headers }: Msg): void {
    const { onHeartbeat, onGone } = this.#options;
    const { code = 0, description = "" } = headers ?? {};
    const numberIn = (name: string): number => Number(headers?.get(name) ?? 0);
    if (code === 100) return onHeartbeat(numberIn("Nats-Last-Consumer"));
    if (code === 400 || code === 503 || /deleted/i.test(description)) return onGone();
    this.#asked = Math.max(0, this.#asked - numberIn("Nats-Pending-Messages"));
    const tooLarge = code === 409 && /MaxBytes/i.test(description);
    if (tooLarge && !this.#came) {
      // What is larger than all that may be asked for has to come alone.
      if (this.#options.held() === 0) this.#ask(1);
    } else if (tooLarge || code === 404 || code === 408) this.more();
    // Of a request that ended in another way, as with the leader that had it, the next heartbeat is missed.
    if (this.idle) this.#options.onIdle();
  }

  /** A heartbeat was due. */
  #look(): void {
    // Who is asked for nothing says nothing.
    if (this.idle) this.#missed = 0;
    if (++this.#missed <= MISSED) return;
    this.#missed = 0;
    this.#options.onSilent();
    // Whoever was asked may be gone; should it not be, more comes than was asked for.
    this.#asked = 0;
    this.more();
  }

  #ask(batch: number, bytes?: number): void {
    const { link, heartbeatMs } = this.#options;
    if (this.#closed || link.connection.info === undefined) return;
    const request = {
      batch,
      ...(bytes === undefined ? {} : { max_bytes: bytes }),
      expires: nanos(EXPIRES_MS),
      idle_heartbeat: nanos(heartbeatMs),
    };
    try {
      link.connection.publish(this.#subject, JSON.stringify(request), { reply: this.#inbox });
      this.#asked = batch;
      this.#askedBytes = bytes ?? Number.POSITIVE_INFINITY;
      this.#came = false;
    } catch {
      // The connection is being closed, and nothing more will come.
    }
  }
}
