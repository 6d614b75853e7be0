/** Consuming: as people write it, as fast as the client goes, and with docktor. */
import { AckPolicy, type ConsumerMessages, jetstream, jetstreamManager } from "@nats-io/jetstream";
import { connect } from "@nats-io/transport-node";
import { Consumer, type Handlers } from "../../src/index.ts";
import type { Meter } from "./meter.ts";
import type { Ready, Setting, Side } from "./side.ts";

/** How many messages the tuned sides ask for at a time; more was not faster. */
const ASKED_FOR = 2_000;

/** A durable of the run's own, whose messages `begin` takes. */
async function withDurable(
  { url, stream, run }: Setting,
  ack_policy: AckPolicy,
  begin: (durable: Durable) => Promise<ConsumerMessages>,
): Promise<Ready> {
  const connection = await connect({ servers: url });
  const manager = await jetstreamManager(connection);
  await manager.consumers.add(stream, { durable_name: run, ack_policy });
  const durable = await jetstream(connection).consumers.get(stream, run);
  let messages: Promise<ConsumerMessages> | undefined;
  return {
    start: () => {
      messages = begin(durable);
    },
    stop: async () => {
      (await messages)?.stop();
      await manager.consumers.delete(stream, run);
      await connection.close();
    },
  };
}

type Durable = Awaited<ReturnType<ReturnType<typeof jetstream>["consumers"]["get"]>>;

/** A loop over the messages that acknowledges each. */
export const idiomatic: Side = (setting, meter) =>
  withDurable(setting, AckPolicy.Explicit, async (durable) => {
    const messages = await durable.consume();
    const loop = async (): Promise<void> => {
      for await (const message of messages) {
        meter.count++;
        message.ack();
      }
    };
    void loop();
    return messages;
  });

/** A callback that acknowledges each. */
export const tuned: Side = (setting, meter) =>
  withDurable(setting, AckPolicy.Explicit, (durable) =>
    durable.consume({
      max_messages: ASKED_FOR,
      callback: (message) => {
        meter.count++;
        message.ack();
      },
    }),
  );

/** A callback, and nothing is acknowledged. */
export const unacknowledged: Side = (setting, meter) =>
  withDurable(setting, AckPolicy.None, (durable) =>
    durable.consume({ max_messages: ASKED_FOR, callback: () => void meter.count++ }),
  );

/** As {@link unacknowledged}, with a consumer for each partition, as docktor has them. */
export const partitioned: Side = async ({ url, stream, subject, partitions, run }, meter) => {
  const connection = await connect({ servers: url });
  const manager = await jetstreamManager(connection);
  const durables: Durable[] = [];
  for (let partition = 0; partition < partitions; partition++) {
    const durable_name = `${run}-${partition}`;
    const filter_subject = `${subject}.p.${partition}`;
    await manager.consumers.add(stream, {
      durable_name,
      ack_policy: AckPolicy.None,
      filter_subject,
    });
    durables.push(await jetstream(connection).consumers.get(stream, durable_name));
  }
  const max_messages = Math.max(100, ASKED_FOR / partitions);
  const open: Promise<ConsumerMessages>[] = [];
  return {
    start: () => {
      for (const durable of durables) {
        open.push(durable.consume({ max_messages, callback: () => void meter.count++ }));
      }
    },
    stop: async () => {
      for (const messages of open) (await messages).stop();
      await Promise.all(durables.map((durable) => durable.delete()));
      await connection.close();
    },
  };
};

/** A member of a docktor group with defaults but for the handlers; it has its share before it starts. */
const docktor =
  (handlersOf: (meter: Meter, started: Promise<void>) => Handlers): Side =>
  async (setting, meter) => {
    const { url, stream, subject, partitions, run, members } = setting;
    const consumer = new Consumer({ servers: url, stream, subject, partitions, group: run });
    consumer.on("error", (error) => console.error(`${error.code}: ${error.message}`));
    let start = (): void => {};
    const started = new Promise<void>((resolve) => (start = resolve));
    await consumer.run(handlersOf(meter, started));
    const share = Math.floor(partitions / members);
    while (consumer.assignment.length < share || consumer.assignment.length > share + 1) {
      await new Promise((resolve) => setTimeout(resolve, 20));
    }
    return { start, stop: () => consumer.close() };
  };

/** One by one, the handler being asynchronous. */
export const eachMessage: Side = docktor((meter, started) => ({
  eachMessage: async () => {
    if (meter.count === 0) await started;
    meter.count++;
  },
}));

/** One by one, the handler returning at once. */
export const eachMessageSync: Side = docktor((meter, started) => ({
  eachMessage: () => {
    if (meter.count === 0) return started.then(() => void meter.count++);
    meter.count++;
    return undefined;
  },
}));

/** In batches. */
export const eachBatch: Side = docktor((meter, started) => ({
  eachBatch: async ({ messages }) => {
    if (meter.count === 0) await started;
    meter.count += messages.length;
  },
}));
