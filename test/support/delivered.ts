/** Messages as a durable delivers them, and a connection on which they come, in the test's hands. */
import {
  errors,
  headers,
  type Msg,
  type MsgHdrs,
  type NatsConnection,
} from "@nats-io/transport-node";
import { type Delivered, DeliveryReader } from "../../src/consumer/delivery/delivered.ts";

/** What a test says of a message. */
export interface DeliveryOf {
  readonly sequence: number;
  readonly deliverySequence?: number;
  readonly pending?: number;
  readonly data?: string;
  readonly headers?: MsgHdrs;
  /** Its bytes, as the server counts them. Default 100. */
  readonly size?: number;
  readonly onAck?: () => void;
}

/** The message as the client gives it. */
function rawMessage(of: DeliveryOf): Msg {
  const {
    sequence,
    deliverySequence = sequence,
    pending = 0,
    data = "",
    size = 100,
    headers: given,
    onAck,
  } = of;
  const respond = (payload: Uint8Array): boolean => {
    if (new TextDecoder().decode(payload) === "+ACK") onAck?.();
    return true;
  };
  return {
    subject: "s.p.0",
    reply: `$JS.ACK.S.G-p0-e1.1.${sequence}.${deliverySequence}.1700000000123000000.${pending}`,
    data: new TextEncoder().encode(data),
    ...(given === undefined ? {} : { headers: given }),
    respond,
    size: () => size,
  } as unknown as Msg;
}

/** The message as a delivery hands it on. */
export function delivered(of: DeliveryOf): Delivered {
  return new DeliveryReader().read(rawMessage(of));
}

/** A connection with one subscription. */
export class FakeConnection {
  /** What was asked for, in order: how many messages each time. */
  readonly asked: number[] = [];
  /** And how many bytes, if that was limited. */
  readonly askedBytes: (number | undefined)[] = [];
  subscribed = false;
  /** Whether it takes nothing more, as the client does not while it is drained. */
  closing = false;
  #callback: (error: Error | null, message: Msg) => void = () => {};

  /** As the code under test sees it. */
  get asConnection(): NatsConnection {
    const subscribe: unknown = (
      _: string,
      { callback }: { callback: (error: Error | null, message: Msg) => void },
    ) => {
      this.#callback = callback;
      this.subscribed = true;
      return { unsubscribe: () => (this.subscribed = false) };
    };
    const publish = (_: string, payload: string): void => {
      if (this.closing) throw new errors.DrainingConnectionError();
      const { batch, max_bytes } = JSON.parse(payload) as { batch: number; max_bytes?: number };
      this.asked.push(batch);
      this.askedBytes.push(max_bytes);
    };
    return { subscribe, publish, info: {} } as unknown as NatsConnection;
  }

  /** A message comes. */
  deliver(of: DeliveryOf): void {
    this.#callback(null, rawMessage(of));
  }

  /** The server says something of a request. */
  say(code: number, description: string, more: Readonly<Record<string, string>> = {}): void {
    const given = headers(code, description);
    for (const [name, value] of Object.entries(more)) given.set(name, value);
    this.#callback(null, {
      subject: "inbox",
      data: new Uint8Array(),
      headers: given,
    } as unknown as Msg);
  }

  /** The server refuses the subscription. */
  refuse(): void {
    this.#callback(new Error("permissions violation"), undefined as unknown as Msg);
  }
}
