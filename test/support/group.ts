/** Members of a group in the test's own process, and what they did. */
import { afterEach, vi } from "vitest";
import { Consumer } from "../../src/consumer/consumer.ts";
import type { EachMessage } from "../../src/consumer/handlers.ts";
import type { ConsumerOptions } from "../../src/consumer/options.ts";
import type { DocktorError } from "../../src/errors.ts";
import { type Link, openLink } from "../../src/nats/connection.ts";
import { Producer, type PublishOptions } from "../../src/producer/producer.ts";
import type { PublishedMessage } from "../../src/record/oracle.ts";
import type { ProcessedRecord } from "../../src/record/record.ts";

export const STREAM = "EVENTS";
export const SUBJECT = "events";
export const GROUP = "WORKERS";

const opened: (() => Promise<unknown>)[] = [];

afterEach(closeAll);

/** Closes everything that is to be closed after the test. */
export async function closeAll(): Promise<void> {
  await Promise.all(opened.splice(0).map((close) => close()));
}

/** Closes something after the test, before its server is stopped. */
export function closeAfterTest(close: () => Promise<unknown>): void {
  opened.push(close);
}

/** Waits for a condition; fails with what it was about. */
export async function eventually(
  what: string,
  condition: () => unknown,
  timeout = 15_000,
  interval = 10,
): Promise<void> {
  await vi.waitFor(
    async () => {
      if (!(await condition())) throw new Error(`it never came to this: ${what}`);
    },
    { timeout, interval },
  );
}

/** A connection of the test's own. */
export async function link(url: string): Promise<Link> {
  const opening = await openLink({ servers: url }, "test");
  closeAfterTest(() => opening.close());
  return opening;
}

/** A member with defaults that suit tests, closed after the test; its errors are kept. */
export function member(
  url: string,
  options: Partial<ConsumerOptions> = {},
): Consumer & { readonly errors: DocktorError[] } {
  const { connection, ...rest } = options;
  const consumer = new Consumer({
    ...(connection === undefined ? { servers: url } : { connection }),
    stream: STREAM,
    subject: SUBJECT,
    partitions: 4,
    group: GROUP,
    ensureStream: true,
    session: { ttlMs: 1_000 },
    ...rest,
  });
  const errors: DocktorError[] = [];
  consumer.on("error", (error) => errors.push(error));
  closeAfterTest(() => consumer.close());
  return Object.assign(consumer, { errors });
}

/** Publishes messages and returns where they were stored, in order of publishing. */
export async function publish(
  url: string,
  messages: Iterable<{ key: string; data: string } & PublishOptions>,
  partitions = 4,
): Promise<PublishedMessage[]> {
  const producer = await Producer.connect({
    servers: url,
    stream: STREAM,
    subject: SUBJECT,
    partitions,
    ensureStream: true,
  });
  try {
    return await Promise.all(
      Array.from(messages, ({ key, data, ...options }) => producer.publish(key, data, options)),
    );
  } finally {
    await producer.close();
  }
}

/** So many messages over so many keys; the data is the message's number. */
export function* numbered(count: number, keys = 20): Iterable<{ key: string; data: string }> {
  for (let i = 0; i < count; i++) yield { key: `key-${i % keys}`, data: String(i) };
}

/** Records what members handle, as the oracle wants it. */
export class Records {
  readonly all: ProcessedRecord[] = [];

  /** A handler that records, after doing `work`. */
  handler(memberId: string, work?: () => Promise<void>): EachMessage {
    return async ({ partition, sequence, key }, { epoch }) => {
      await work?.();
      this.all.push({
        member: memberId,
        partition,
        epoch,
        sequence,
        key: key ?? null,
        ts: Date.now(),
      });
    };
  }

  /** How many different messages were handled. */
  get count(): number {
    return new Set(this.all.map(({ sequence }) => sequence)).size;
  }
}
