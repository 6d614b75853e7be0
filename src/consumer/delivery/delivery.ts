/** The flow of messages from one durable, without a gap and without a repeat. */
import type { Msg } from "@nats-io/transport-node";
import { type Delivered, DeliveryReader, sizeOf } from "./delivered.ts";
import { Pull, type PullOptions } from "./pull.ts";

/** What a delivery needs. */
export interface DeliveryOptions
  extends Pick<PullOptions, "link" | "stream" | "durable" | "heartbeatMs"> {
  /**
   * Whether what is handled is acked, and missing in the stream from then on: an ack that was lost is made up
   * for by no later one, and whether something is gone that was not handled does not show.
   */
  workQueue: boolean;
  /** How much is asked for before it is known where to begin. */
  askedAhead: { readonly messages: number; readonly bytes: number };
}

/** Where the messages go. */
export interface Receiver extends Pick<PullOptions, "limit" | "held" | "limitBytes" | "heldBytes"> {
  onMessage: (message: Delivered) => void;
  /** Everything up to this sequence is committed. */
  committed: () => number;
  /** The durable is gone, or messages were lost on their way: nothing more will come. */
  onInterrupted: () => void;
}

/** Sequences of a stream, both ends included. */
export interface Gap {
  readonly first: number;
  readonly last: number;
}

/**
 * Messages of one durable, in order. They are asked for at once, and kept until {@link begin}: the owner-to-be
 * of a partition asks for them while it claims it.
 */
export class Delivery {
  readonly #options: DeliveryOptions;
  readonly #reader = new DeliveryReader();
  readonly #pull: Pull;
  #receiver: Receiver | undefined;
  /** What has happened and waits for a receiver. */
  readonly #kept: (() => void)[] = [];
  /** How many messages are among it, and how many bytes they have. */
  #keptMessages = 0;
  #keptBytes = 0;
  #after = 0;
  #sequence = 0;
  #deliveries = 0;
  /** Whether there was more to come when the last message was sent. */
  #behind = true;
  /**
   * Whether there was no room for more since the last message: what is published behind it is not sent, and so
   * may go without having been announced.
   */
  #stopped = false;
  /** Between a message after which the flow had to stop and the one with which it went on. */
  readonly #stops: Gap[] = [];
  /** The first message's sequence. */
  #first: number | undefined;
  /** Whether it is known what was missing at the start. */
  #started = false;
  #closed = false;
  #heard = false;

  /** Asks for the first messages. */
  constructor(options: DeliveryOptions) {
    this.#options = options;
    this.#pull = new Pull({
      ...options,
      limit: () => this.#receiver?.limit() ?? options.askedAhead.messages,
      held: () => this.#keptMessages + (this.#receiver?.held() ?? 0),
      limitBytes: () => this.#receiver?.limitBytes() ?? options.askedAhead.bytes,
      heldBytes: () => this.#keptBytes + (this.#receiver?.heldBytes() ?? 0),
      onMessage: (raw) => this.#onMessage(raw),
      onIdle: () =>
        this.#onceBegun(() => {
          this.#stopped = true;
        }),
      onHeartbeat: (deliveries) =>
        this.#onceBegun(() => {
          this.#heard = true;
          // What was sent and did not come would be missed only with the next message.
          if (deliveries > this.#deliveries) this.interrupt();
        }),
      onSilent: () => {
        // Who answers may have changed, as with the node that led the durable: acks may have gone with it.
        if (options.workQueue) this.interrupt();
      },
      onGone: () => this.interrupt(),
    });
  }

  /**
   * Starts the flow, with what has come already.
   *
   * @param after the last handled sequence; what is not beyond it is dropped
   */
  begin(after: number, receiver: Receiver): void {
    this.#after = after;
    this.#sequence = after;
    this.#receiver = receiver;
    for (const event of this.#kept.splice(0)) event();
    this.#pull.more();
  }

  /** Whether the server had more to send when it sent the last message. */
  get behind(): boolean {
    return this.#behind;
  }

  /** Asks for more, if there is room. */
  more(): void {
    this.#pull.more();
  }

  /** Everything up to this sequence was received, or lay before the start, or is gone. */
  get position(): number {
    return this.#sequence;
  }

  /** Whether the server has ever shown that it is there. */
  get heard(): boolean {
    return this.#heard;
  }

  /** Whether anything was received. */
  get receivedAny(): boolean {
    return this.#deliveries > 0;
  }

  /**
   * Told that the stream holds nothing up to `last`: the ranges of sequences that this flow can not
   * receive any more, and waits for no longer.
   */
  gapsUpTo(last: number): Gap[] {
    // At first, what lies between the start and the first message; later, what was to come next.
    const gap = this.#started
      ? { first: this.#sequence + 1, last }
      : { first: this.#after + 1, last: Math.min(last, (this.#first ?? Infinity) - 1) };
    const started = this.#started;
    this.#started = true;
    const gaps = this.#missedAtStops(last);
    if (gap.last < gap.first || (started && !this.#behind && !this.#stopped)) {
      // What came since the flow could go on would have been sent.
      this.#stopped = this.#pull.idle;
      return gaps;
    }
    this.#sequence = Math.max(this.#sequence, gap.last);
    return started ? [...gaps, gap] : [gap, ...gaps];
  }

  /** Nothing more will come in order: once there is a receiver, ends the flow and says so. */
  interrupt(): void {
    this.#onceBegun(() => {
      if (this.#closed) return;
      this.close();
      this.#receiver?.onInterrupted();
    });
  }

  /** Ends the flow; nothing is handed over any more. */
  close(): void {
    this.#closed = true;
    this.#pull.close();
  }

  #onMessage(raw: Msg): void {
    const { idle } = this.#pull;
    if (this.#receiver !== undefined) return this.#receive(raw, idle);
    const size = sizeOf(raw);
    this.#keptMessages++;
    this.#keptBytes += size;
    this.#kept.push(() => {
      this.#keptMessages--;
      this.#keptBytes -= size;
      this.#receive(raw, idle);
    });
  }

  /** Does it now or, when there is no receiver yet, once there is one. */
  #onceBegun(event: () => void): void {
    if (this.#receiver === undefined) this.#kept.push(event);
    else event();
  }

  /** @param idle whether nothing was asked for any more when it came */
  #receive(raw: Msg, idle: boolean): void {
    if (this.#closed) return;
    this.#heard = true;
    // The server numbers its deliveries: a missing number is a lost message.
    const delivered = this.#reader.read(raw);
    const { sequence, deliverySequence } = delivered;
    if (deliverySequence !== ++this.#deliveries) return this.interrupt();
    this.#behind = this.#reader.pending > 0;
    if (sequence <= this.#sequence) return this.#repeated(delivered);
    if (this.#stopped && !this.#options.workQueue) {
      this.#stops.push({ first: this.#sequence + 1, last: sequence - 1 });
    }
    this.#first ??= sequence;
    this.#sequence = sequence;
    this.#receiver?.onMessage(delivered);
    this.#stopped = idle;
  }

  /** What is gone of that which was to come when the flow had to stop. */
  #missedAtStops(last: number): Gap[] {
    const missed = this.#stops
      .splice(0)
      .filter(({ first, last: end }) => first <= Math.min(last, end));
    return missed.map(({ first, last: end }) => ({ first, last: Math.min(end, last) }));
  }

  /** Handled before. In a work queue it stays until it is acked: an ack that was lost is repeated. */
  #repeated(delivered: Delivered): void {
    const { sequence } = delivered;
    if (this.#options.workQueue && sequence <= (this.#receiver?.committed() ?? 0)) delivered.ack();
    // It is not held, and so nobody will say that there is room again.
    this.#pull.more();
  }
}
