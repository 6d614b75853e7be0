/** The keys of a service's queue. */
import { z } from "zod";
import { DEFAULT_SERVER } from "../../../nats/connection.ts";
import type { QueueConfig } from "../config.ts";
import { object, oneOf, pattern, text } from "./fields.ts";

/** What can be read of a queue. */
export const QUEUE_METRICS = ["backlog", "lag", "rate_in", "rate_out"] as const;

/** What the server takes for the name of a stream or a consumer. */
const NAME = /^[^\s.*>/\\]+$/;

/** `queue`. */
export const QUEUE: z.ZodType<QueueConfig> = object({
  kind: text("nats").default("nats"),
  url: text("an address such as nats://127.0.0.1:4222").default(DEFAULT_SERVER),
  jetstream: z.literal(true, "true: without JetStream there is no backlog to read").default(true),
  stream: pattern("the name of a stream", NAME),
  consumer: pattern("the name of a group or of a consumer", NAME),
  subject: pattern("a subject, such as events", /^[^\s.]+(\.[^\s.]+)*$/).optional(),
  metrics: z
    .array(z.enum(QUEUE_METRICS, oneOf(QUEUE_METRICS)), `a list of ${oneOf(QUEUE_METRICS)}`)
    .min(1, `a list of ${oneOf(QUEUE_METRICS)}`)
    .default([...QUEUE_METRICS]),
}).transform(({ subject, ...rest }) => ({ ...rest, subject }));
