/** The flow of messages from one durable, without a gap and without a repeat. */
import type { ConsumerInfo, ConsumerMessages, JsMsg } from "@nats-io/jetstream";
import type { Link } from "../nats/connection.ts";

/** How many messages are asked for at a time. */
const BATCH = 500;

/** What a delivery needs. */
export interface DeliveryOptions {
  link: Link;
  durable: ConsumerInfo;
  /** The last handled sequence; what is not beyond it is dropped. */
  after: number;
  onMessage: (message: JsMsg) => void;
  /** The durable is gone, or messages were lost on their way: nothing more will come. */
  onInterrupted: () => void;
}

/** Messages of one durable, in order. */
export class Delivery {
  readonly #options: DeliveryOptions;
  #messages: ConsumerMessages | undefined;
  #sequence: number;
  #deliveries = 0;
  #closed = false;

  private constructor(options: DeliveryOptions) {
    this.#options = options;
    this.#sequence = options.after;
  }

  /** Starts the flow. */
  static async open(options: DeliveryOptions): Promise<Delivery> {
    const delivery = new Delivery(options);
    const consumer = options.link.jetstream.consumers.getConsumerFromInfo(options.durable);
    const messages = await consumer.consume({
      max_messages: BATCH,
      callback: (raw) => delivery.#receive(raw),
    });
    delivery.#messages = messages;
    void delivery.#watch(messages);
    return delivery;
  }

  /** Ends the flow; nothing is handed over any more. */
  close(): void {
    this.#closed = true;
    this.#messages?.stop();
  }

  #receive(raw: JsMsg): void {
    if (this.#closed) return;
    // The server numbers its deliveries: a missing number is a lost message.
    if (raw.info.deliverySequence !== ++this.#deliveries) return this.#interrupted();
    if (raw.seq <= this.#sequence) return this.#repeated(raw);
    this.#sequence = raw.seq;
    this.#options.onMessage(raw);
  }

  /**
   * Handled before. What was committed before this delivery began is acked: else it would take up
   * the durable's room for good, and in a work queue stay for ever.
   */
  #repeated(raw: JsMsg): void {
    if (raw.seq <= this.#options.after) raw.ack();
  }

  async #watch(messages: ConsumerMessages): Promise<void> {
    for await (const { type } of messages.status()) {
      const gone =
        type === "consumer_deleted" || type === "consumer_not_found" || type === "stream_not_found";
      if (gone) this.#interrupted();
    }
  }

  #interrupted(): void {
    if (this.#closed) return;
    this.close();
    this.#options.onInterrupted();
  }
}
