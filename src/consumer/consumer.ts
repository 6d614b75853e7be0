/** A member of a consumer group: joins, works on its partitions, leaves. */
import { EventEmitter } from "node:events";
import { aborted, inTime, systemClock } from "../clock.ts";
import { DocktorError, type ErrorCode, invalidOption, toDocktorError } from "../errors.ts";
import type { ConsumerEvents, Tell } from "../events.ts";
import { followChanges } from "../nats/connection-changes.ts";
import type { Handlers } from "./handlers.ts";
import { Membership } from "./membership.ts";
import { type ConsumerOptions, type ConsumerSettings, resolveOptions } from "./options.ts";
import { refusalIn } from "./refusal.ts";
import { openResources, type Resources } from "./resources.ts";
import { Workload } from "./workload.ts";

/** Errors after which going on makes no sense. */
const FATAL: ReadonlySet<ErrorCode> = new Set<ErrorCode>([
  "CONNECTION_CLOSED",
  "GROUP_MISMATCH",
  "MEMBER_ID_IN_USE",
  "NOT_AUTHORIZED",
  "RECORD_INVALID",
  "STREAM_NOT_FOUND",
]);

/**
 * What a consumer is doing.
 *
 * - `idle`: not started
 * - `joining`: on its way into the group, at first or after its session was lost
 * - `running`: a member that works on its partitions
 * - `draining`: handing its partitions over
 * - `closed`: out of the group
 * - `failed`: out of the group because it cannot go on; `closed()` tells why
 */
export type ConsumerState = "idle" | "joining" | "running" | "draining" | "closed" | "failed";

/**
 * One member of a consumer group.
 *
 * The members share the partitions: each partition is handled by one of them at a time, in
 * order. When a member joins, leaves or dies, the others hand over or take over.
 *
 * Without a listener for `error`, errors become process warnings.
 *
 * @example
 * const consumer = new Consumer({ stream: "EVENTS", subject: "events", partitions: 32, group: "WORKERS" });
 * await consumer.run({ eachMessage: async (message) => console.log(message.key, message.string()) });
 * process.once("SIGTERM", () => consumer.drain());
 */
export class Consumer extends EventEmitter<ConsumerEvents> implements AsyncDisposable {
  readonly #settings: ConsumerSettings;
  /** Aborts when nothing is to be waited for any more. */
  readonly #hurry = new AbortController();
  /** Aborts when this consumer is to stop at once. */
  readonly #stopped = new AbortController();
  readonly #closed: Promise<DocktorError | undefined>;
  #resolveClosed: (error: DocktorError | undefined) => void = () => {};
  #state: ConsumerState = "idle";
  #resources: Resources | undefined;
  #membership: Membership | undefined;
  #ending: Promise<void> | undefined;
  #unwatch = (): void => {};

  /** @throws DocktorError INVALID_OPTION */
  constructor(options: ConsumerOptions) {
    super();
    this.#settings = resolveOptions(options);
    this.#closed = new Promise((resolve) => (this.#resolveClosed = resolve));
  }

  /** This member's id in the group. */
  get memberId(): string {
    return this.#settings.memberId;
  }

  /** What this consumer is doing. */
  get state(): ConsumerState {
    return this.#state;
  }

  /** The partitions owned now, sorted. */
  get assignment(): readonly number[] {
    return this.#membership?.owned ?? [];
  }

  /** How many partitions the subject has; undefined until the consumer has joined. */
  get partitions(): number | undefined {
    return this.#resources?.partitions;
  }

  /** Whether this consumer has created the stream, as `ensureStream` lets it. */
  get streamCreated(): boolean {
    return this.#resources?.streamCreated ?? false;
  }

  /** The TTL of sessions that the group runs on, in milliseconds; undefined until joined. */
  get sessionTtlMs(): number | undefined {
    return this.#membership?.ttlMs;
  }

  /**
   * Joins the group and starts to handle messages. Resolves once this member is in the
   * group; its partitions follow as `partition:claimed`.
   *
   * @throws DocktorError INVALID_OPTION, CONNECTION_FAILED, NOT_AUTHORIZED, JETSTREAM_DISABLED,
   *   SERVER_UNSUPPORTED, STREAM_NOT_FOUND, STREAM_SUBJECT_MISMATCH, STREAM_UNSUITABLE,
   *   PARTITION_COUNT_MISMATCH, PARTITION_COUNT_UNKNOWN, GROUP_MISMATCH, MEMBER_ID_IN_USE;
   *   CLOSED when it was drained or closed meanwhile
   */
  async run(handlers: Handlers): Promise<void> {
    checkHandlers(handlers, this.#settings);
    if (this.#state !== "idle") {
      throw new DocktorError(
        "CLOSED",
        `a consumer runs once, and this one is ${this.#state}: create another one`,
      );
    }
    this.#state = "joining";
    try {
      const resources = await openResources(this.#settings, {
        signal: this.#stopped.signal,
        onTimeout: this.#onError,
      });
      this.#resources = resources;
      if (this.#over) {
        await resources.link.close();
        throw closedWhileJoining();
      }
      const workload = new Workload({
        settings: this.#settings,
        resources,
        handlers,
        tell: this.#tell,
        onInterrupted: (lease) => this.#membership?.reclaim(lease),
        onCutOff: (lease, reason) => this.#membership?.cutOff(lease, reason),
        onError: this.#onError,
      });
      // What is missing for it shows now, and not when the first message fails.
      if (this.#settings.poison.policy !== "block") await workload.openLetters();
      if (this.#over) throw closedWhileJoining();
      this.#membership = new Membership({
        settings: this.#settings,
        resources,
        workload,
        tell: this.#tell,
        onError: this.#onError,
        onLost: (reason) => {
          this.#state = "joining";
          this.#tell("error", reason);
        },
        onRejoined: () => (this.#state = "running"),
        onDismissed: () => void this.drain(),
        stopped: this.#stopped.signal,
      });
      await this.#membership.join();
      this.#state = "running";
      this.#watchConnection(resources, workload);
    } catch (error) {
      const { aborted, reason } = this.#stopped.signal;
      const known = toDocktorError(aborted ? reason : error);
      await this.#end("failed", known);
      throw known;
    }
  }

  /**
   * Leaves in good order: finishes and commits what is under way, hands the partitions over,
   * leaves the group. Resolves once it is out; what could not be handed over, as when the
   * server is away, was a `partition:lost`. With `session.restartDelayMs` the partitions are freed
   * for the next process under this `memberId`, and go to others if none comes in that time. A second call waits
   * for the first.
   */
  async drain(): Promise<void> {
    const membership = this.#membership;
    if (this.#state === "joining") return await this.#end("closed", undefined, true);
    // Asked again, by another signal perhaps, it goes on leaving.
    if (this.#state === "draining") return await this.#ending;
    if (this.#state !== "running" || membership === undefined) return await this.#end("closed");
    this.#state = "draining";
    this.#ending ??= membership
      .drain()
      .catch((error: unknown) => this.#onError(toDocktorError(error)))
      .then(() => this.#release("closed"));
    await this.#ending;
  }

  /**
   * Stops at once and hands nothing over: handlers under way see their signal abort, and the
   * partitions go to others when the session expires.
   */
  async close(): Promise<void> {
    this.#hurry.abort();
    await this.#end("closed");
  }

  /** Resolves once the consumer is out of the group; with the error if it could not go on. */
  closed(): Promise<DocktorError | undefined> {
    return this.#closed;
  }

  /** The same as {@link drain}. */
  async [Symbol.asyncDispose](): Promise<void> {
    await this.drain();
  }

  get #over(): boolean {
    return this.#state === "closed" || this.#state === "failed";
  }

  #watchConnection({ link }: Resources, workload: Workload): void {
    const { connection } = link;
    void connection.closed().then((error) => {
      const why = error instanceof Error ? `: ${error.message}` : "";
      this.#onError(
        new DocktorError(
          "CONNECTION_CLOSED",
          `the connection to NATS was closed for good${why}; make another consumer to go on`,
          { cause: error },
        ),
      );
    });
    this.#unwatch = followChanges(connection, (change) => {
      if (change.type === "disconnect") this.#onError(disconnected(change.server));
      const refusal = refusalIn(change, this.#settings);
      if (refusal !== undefined) this.#onError(refusal);
      if (change.type !== "reconnect") return;
      // Messages on their way were lost with the connection, and watches may be, too.
      this.#membership?.refresh();
      workload.interrupt();
    });
  }

  readonly #onError = (error: DocktorError): void => {
    if (this.#over) return;
    if (FATAL.has(error.code) && this.#state !== "draining") void this.#end("failed", error);
    this.#tell("error", error);
  };

  /** Stops at once; `tidily` waits until a member on its way into the group is retracted. */
  async #end(state: "closed" | "failed", error?: DocktorError, tidily = false): Promise<void> {
    const abandoned = this.#membership;
    const leaving = this.#ending;
    if (this.#over) return await leaving;
    this.#state = state;
    this.#stopped.abort(error ?? closedWhileJoining());
    this.#ending = (async () => {
      const reason = error ?? new DocktorError("CLOSED", "the consumer was closed");
      if (tidily && abandoned !== undefined) {
        const retracted = Promise.race([abandoned.retract(), aborted(this.#hurry.signal)]);
        await inTime(systemClock, this.#settings.drainTimeoutMs, retracted);
      }
      abandoned?.abandon(reason);
      await this.#release(state, error);
    })();
    await this.#ending;
  }

  async #release(state: "closed" | "failed", error?: DocktorError): Promise<void> {
    if (this.#state !== "failed") this.#state = state;
    // A caller's own connection lives on.
    this.#unwatch();
    await this.#resources?.link.close();
    this.#resolveClosed(error);
  }

  /** Emits an event; what a listener throws surfaces as uncaught, and not in our steps. */
  readonly #tell: Tell = (event, ...args) => {
    if (event === "error" && this.listenerCount("error") === 0) {
      const [error] = args as ConsumerEvents["error"];
      process.emitWarning(error.message, { type: "DocktorWarning", code: error.code });
      return;
    }
    try {
      // The emitter's own types cannot follow a generic name.
      (this.emit as (name: string, ...values: unknown[]) => boolean).call(this, event, ...args);
    } catch (thrown) {
      process.nextTick(() => {
        throw thrown;
      });
    }
  };
}

function checkHandlers(handlers: Handlers, { poison, concurrency }: ConsumerSettings): void {
  const { eachMessage, eachBatch } = handlers;
  const given = [eachMessage, eachBatch].filter((handler) => handler !== undefined);
  if (given.length !== 1 || typeof given[0] !== "function") {
    throw invalidOption("run() takes either { eachMessage } or { eachBatch }, a function");
  }
  if (eachBatch !== undefined && poison.policy === "park-key") {
    throw invalidOption(
      'poison.policy "park-key" needs eachMessage: in a batch, keys cannot be told apart',
    );
  }
  if (eachBatch !== undefined && concurrency !== undefined) {
    throw invalidOption(
      "concurrency.perPartition needs eachMessage: a batch holds many keys, and is handled in one call",
    );
  }
}

function disconnected(server: string): DocktorError {
  return new DocktorError(
    "CONNECTION_LOST",
    `the connection to NATS at ${server} broke, and is tried again until it is back; the partitions go to other members when that takes longer than the session's TTL`,
  );
}

function closedWhileJoining(): DocktorError {
  return new DocktorError("CLOSED", "the consumer was closed before it had joined");
}
