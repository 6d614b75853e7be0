/** What a producer can be told, checked once at the edge. */
import type { StreamConfig } from "@nats-io/jetstream";
import { invalidOption, written } from "../errors.ts";
import type { ConnectionSource } from "../nats/connection.ts";
import { checkEnsureStream, type Names, refuseUnknown } from "../options.ts";
import { checkName, checkPartitions, checkSubject } from "../partition/names.ts";

/**
 * What a producer promises about the order of one partition's messages.
 *
 * - `"pipelined"`: messages are sent in the order of the `publish` calls without waiting
 *   for each other's acks. A lost connection does not change that order: after it is back,
 *   everything unacknowledged is sent again from the oldest on, before anything new. Nor
 *   does a stream that loses its leader, unless it finds one while messages are on their
 *   way to it: those that come too early are sent again, and stored, after later ones. So
 *   is a single message that the server leaves unanswered on a connection that stays up.
 * - `"strict"`: a partition's next message is sent only once the one before is stored or
 *   has failed, so no retry can change the order of messages of one key. Partitions still
 *   run in parallel; the throughput is one message per partition and round trip.
 *
 * In both, the order is that of one producer's `publish` calls. A message whose `publish`
 * rejects has no place in it: those after it are sent all the same.
 */
export type PublishOrder = "pipelined" | "strict";

/** How a producer connects and behaves. Give either `servers` or `connection`. */
export interface ProducerOptions extends ConnectionSource {
  /** The stream that stores the messages. */
  stream: string;
  /** The subject prefix; partition `n` is published to `<subject>.p.<n>`. */
  subject: string;
  /**
   * How many partitions the subject has; may be left out once any producer or group has
   * set it. A different count is refused.
   */
  partitions?: number;
  /**
   * Create the stream when it is missing; an object adds settings to the new stream's
   * configuration. A stream that exists is never changed. Default `false`.
   */
  ensureStream?: boolean | Partial<StreamConfig>;
  /** Default `"pipelined"`. */
  order?: PublishOrder;
  /** The most messages sent and not yet acknowledged; the others wait. Default 2,000. */
  maxInFlight?: number;
  /**
   * The most bytes (headers and data) sent and not yet acknowledged; a larger message
   * travels alone. Default 8 MiB.
   */
  maxInFlightBytes?: number;
  /** How long to wait for an ack before the message is sent again. Default 5,000. */
  ackTimeoutMs?: number;
  /**
   * For how long a message is sent again under the same message id until it is given up;
   * the last attempt's ack is awaited. Never longer than the stream remembers message
   * ids (its `duplicate_window`), after which a retry could store it twice. Default 30,000.
   */
  retryForMs?: number;
}

/** The options with every default filled in. */
export interface ProducerSettings {
  readonly stream: string;
  readonly subject: string;
  readonly partitions: number | undefined;
  readonly order: PublishOrder;
  readonly maxInFlight: number;
  readonly maxInFlightBytes: number;
  readonly ackTimeoutMs: number;
  readonly retryForMs: number;
}

const PRODUCER_OPTIONS: Names<ProducerOptions> = {
  servers: true,
  connection: true,
  stream: true,
  subject: true,
  partitions: true,
  ensureStream: true,
  order: true,
  maxInFlight: true,
  maxInFlightBytes: true,
  ackTimeoutMs: true,
  retryForMs: true,
};

/** Checks the options and fills in the defaults. @throws DocktorError INVALID_OPTION */
export function resolveOptions(options: ProducerOptions): ProducerSettings {
  refuseUnknown(options, PRODUCER_OPTIONS);
  const { partitions, order = "pipelined", retryForMs = 30_000 } = options;
  checkEnsureStream(options.ensureStream);
  if (order !== "pipelined" && order !== "strict") {
    throw invalidOption(`order ${JSON.stringify(order)} is unknown: use "pipelined" or "strict"`);
  }
  if (!(Number.isFinite(retryForMs) && retryForMs >= 0)) {
    throw invalidOption(
      `retryForMs ${written(retryForMs)} is not possible: use milliseconds, 0 or more`,
    );
  }
  return {
    stream: checkName("stream", options.stream),
    subject: checkSubject(options.subject),
    partitions: partitions === undefined ? undefined : checkPartitions(partitions),
    order,
    maxInFlight: positive("maxInFlight", options.maxInFlight ?? 2_000),
    maxInFlightBytes: positive("maxInFlightBytes", options.maxInFlightBytes ?? 8 * 1024 * 1024),
    ackTimeoutMs: positive("ackTimeoutMs", options.ackTimeoutMs ?? 5_000),
    retryForMs,
  };
}

function positive(name: string, value: number): number {
  if (Number.isInteger(value) && value > 0) return value;
  throw invalidOption(`${name} ${written(value)} is not possible: use a whole number above 0`);
}
