/** Publishing: as people write it, as fast as the client goes, and with docktor. */
import { jetstream } from "@nats-io/jetstream";
import { connect, headers, type MsgHdrs, type NatsConnection } from "@nats-io/transport-node";
import { partitionOf, Producer } from "../../src/index.ts";
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
export const tuned: Side = async (setting, meter) => {
  const [messages, data] = [messagesOf(setting), new Uint8Array(setting.payload)];
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
      while (sent - acked < TUNED_WINDOW) publish(connection, messages, data, sent++, inbox);
      await new Promise<void>((resolve) => (wake = resolve));
    }
  });
};

/** Nothing is acknowledged: the server is only seen to keep up. */
export const unacknowledged: Side = async (setting, meter) => {
  const [messages, data] = [messagesOf(setting), new Uint8Array(setting.payload)];
  return await looping(setting, async (connection, stopped) => {
    let seen: Promise<void> = Promise.resolve();
    for (let sent = 0; !stopped(); ) {
      for (let i = 0; i < UNACKED; i++) publish(connection, messages, data, sent++, undefined);
      await seen;
      seen = connection.flush().then(() => {
        meter.count += UNACKED;
      });
    }
    await seen;
  });
};

function publish(
  connection: NatsConnection,
  messages: readonly Prepared[],
  data: Uint8Array,
  n: number,
  reply: string | undefined,
): void {
  const { subject, headers: given } = messages[n % messages.length] ?? { subject: "" };
  connection.publish(subject, data, {
    ...(given === undefined ? {} : { headers: given }),
    ...(reply === undefined ? {} : { reply }),
  });
}

/** Docktor's producer, paced by `ready()`. */
export const docktor: Side = async ({ url, stream, subject, partitions, payload }, meter) => {
  const producer = await Producer.connect({ servers: url, stream, subject, partitions });
  const data = new Uint8Array(payload);
  let stopped = false;
  const stored = (): void => void meter.count++;
  const publishing = async (): Promise<void> => {
    for (let sent = 0; !stopped; sent++) {
      await producer.ready();
      void producer.publish(KEYS[sent % KEYS.length] ?? "", data).then(stored);
    }
  };
  let running: Promise<void> | undefined;
  return {
    start: () => {
      running = publishing();
    },
    stop: async () => {
      stopped = true;
      await running;
      await producer.close();
    },
  };
};
