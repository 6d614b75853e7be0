/** Publishing: as people write it, as fast as the client goes, and with docktor. */
import { jetstream } from "@nats-io/jetstream";
import { connect, headers, type MsgHdrs, type NatsConnection } from "@nats-io/transport-node";
import { type MessageToPublish, partitionOf, Producer } from "../../src/index.ts";
import type { Meter } from "./meter.ts";
import { KEYS, type Ready, type Setting, type Side } from "./side.ts";

/** How many messages the raw sides have under way. */
const IDIOMATIC_WINDOW = 1_000;
const TUNED_WINDOW = 2_000;
/** After so many unacknowledged messages the limit makes sure that the server has them. */
const UNACKED = 5_000;

interface Prepared {
  readonly subject: string;
  readonly headers: MsgHdrs | undefined;
}

/** What a raw side sends, in turn. */
function messagesOf({ subject, partitions, keys }: Setting): Prepared[] {
  return KEYS.map((key) => ({
    subject: `${subject}.p.${partitionOf(key, partitions)}`,
    headers: keys ? withKey(key) : undefined,
  }));
}

function withKey(key: string): MsgHdrs {
  const made = headers();
  made.set("Docktor-Key", key);
  return made;
}

/** Runs a loop on a connection until it is stopped. */
async function looping(
  { url }: Setting,
  loop: (connection: NatsConnection, stopped: () => boolean) => Promise<void>,
): Promise<Ready> {
  const connection = await connect({ servers: url });
  let stopped = false;
  let running: Promise<void> | undefined;
  return {
    start: () => {
      running = loop(connection, () => stopped);
    },
    stop: async () => {
      stopped = true;
      await running;
      await connection.close();
    },
  };
}

/** `js.publish`, a thousand at a time. */
export const idiomatic: Side = async (setting, meter) => {
  const [messages, data] = [messagesOf(setting), new Uint8Array(setting.payload)];
  return await looping(setting, async (connection, stopped) => {
    const js = jetstream(connection);
    while (!stopped()) {
      await Promise.all(
        messages.slice(0, IDIOMATIC_WINDOW).map(async ({ subject, headers: given }) => {
          await js.publish(subject, data, given === undefined ? {} : { headers: given });
          meter.count++;
        }),
      );
    }
  });
};

/** An inbox for all acks, and a window. */
export const tuned: Side = (setting, meter) => windowed(setting, meter, messagesOf(setting));

/** The same, each message with an id of its own, by which the stream stores it once: what docktor does, too. */
export const tunedWithIds: Side = (setting, meter) => {
  let sent = 0;
  return windowed(setting, meter, messagesOf(setting), (given) => {
    const made = headers();
    made.set("Nats-Msg-Id", `${setting.run}-${sent++}`);
    if (given !== undefined) made.set("Docktor-Key", given.get("Docktor-Key"));
    return made;
  });
};

async function windowed(
  setting: Setting,
  meter: Meter,
  messages: readonly Prepared[],
  headersFrom = (given: MsgHdrs | undefined): MsgHdrs | undefined => given,
): Promise<Ready> {
  const data = new Uint8Array(setting.payload);
  return await looping(setting, async (connection, stopped) => {
    let [sent, acked] = [0, 0];
    let wake = (): void => {};
    const inbox = `_INBOX.${setting.run}`;
    connection.subscribe(inbox, {
      callback: () => {
        meter.count++;
        acked++;
        if (sent - acked <= TUNED_WINDOW / 2) wake();
      },
    });
    while (!stopped()) {
      while (sent - acked < TUNED_WINDOW) {
        const { subject, headers: given } = messages[sent++ % messages.length] ?? { subject: "" };
        const made = headersFrom(given);
        const options = made === undefined ? { reply: inbox } : { reply: inbox, headers: made };
        connection.publish(subject, data, options);
      }
      await new Promise<void>((resolve) => (wake = resolve));
    }
  });
}

/** Nothing is acknowledged: the server is only seen to keep up. */
export const unacknowledged: Side = async (setting, meter) => {
  const [messages, data] = [messagesOf(setting), new Uint8Array(setting.payload)];
  return await looping(setting, async (connection, stopped) => {
    let seen: Promise<void> = Promise.resolve();
    for (let sent = 0; !stopped(); ) {
      for (let i = 0; i < UNACKED; i++) {
        const { subject, headers: given } = messages[sent++ % messages.length] ?? { subject: "" };
        connection.publish(subject, data, given === undefined ? {} : { headers: given });
      }
      await seen;
      seen = connection.flush().then(() => {
        meter.count += UNACKED;
      });
    }
    await seen;
  });
};

/** Docktor's producer, in a loop until it is stopped. */
async function producing(
  { url, stream, subject, partitions }: Setting,
  loop: (producer: Producer, stopped: () => boolean) => Promise<unknown>,
): Promise<Ready> {
  const producer = await Producer.connect({ servers: url, stream, subject, partitions });
  let stopped = false;
  let running: Promise<unknown> | undefined;
  return {
    start: () => {
      running = loop(producer, () => stopped);
    },
    stop: async () => {
      stopped = true;
      await running;
      await producer.close();
    },
  };
}

const keyOf = (n: number): string => KEYS[n % KEYS.length] ?? "";

/** A promise for each message, and a loop paced by `ready()`. */
export const publish: Side = (setting, meter) => {
  const data = new Uint8Array(setting.payload);
  const stored = (): void => void meter.count++;
  return producing(setting, async (producer, stopped) => {
    for (let sent = 0; !stopped(); sent++) {
      await producer.ready();
      void producer.publish(keyOf(sent), data).then(stored);
    }
  });
};

/** A source of messages. */
export const publishMany: Side = (setting, meter) => {
  const data = new Uint8Array(setting.payload);
  return producing(setting, async (producer, stopped) => {
    function* messages(): Generator<MessageToPublish> {
      for (let sent = 0; !stopped(); sent++) {
        meter.count = sent - producer.pending;
        yield { key: keyOf(sent), data };
      }
    }
    await producer.publishMany(messages());
  });
};
