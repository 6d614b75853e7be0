/** Queues in NATS: a docktor group, or any pull consumer of a stream. */
import { DocktorError, messageOf } from "../../errors.ts";
import { type Link, openLink } from "../../nats/connection.ts";
import { fromNats } from "../../nats/errors.ts";
import { findConsumer } from "../../nats/find-consumer.ts";
import { readStream } from "../../nats/stream.ts";
import { GroupReader } from "../../partition/group-reader.ts";
import { readTopology } from "../../partition/topology.ts";
import type { QueueConfig } from "../config/config.ts";
import { drainMember, sampleBeforeJoin, sampleGroup } from "./group.ts";
import { sampleConsumer } from "./plain-consumer.ts";
import type { MemberSample, QueueReader, QueueSample } from "./queue.ts";

/** Reads what `queue.stream` and `queue.consumer` name. */
export class NatsQueue implements QueueReader {
  readonly #config: QueueConfig;
  #link: Link | undefined;
  #group: GroupReader | undefined;

  constructor(config: QueueConfig) {
    this.#config = config;
  }

  /** The connection, for who has something to write beside the readings. @throws DocktorError CLOSED before `connect` */
  get link(): Link {
    if (this.#link !== undefined) return this.#link;
    throw new DocktorError("CLOSED", "the queue is not connected to");
  }

  /** Whether its connection was closed for good, as after credentials were changed; `connect` opens another. */
  get isClosed(): boolean {
    return this.#link?.connection.isClosed() === true;
  }

  async connect(): Promise<void> {
    const { url, stream, consumer } = this.#config;
    if (this.isClosed) await this.close();
    this.#link ??= await openLink({ servers: url }, `docktor scaler ${stream} ${consumer}`);
  }

  async validate(what: "stream" | "consumer"): Promise<string> {
    const { stream } = this.#config;
    if (what === "stream") {
      const { state, config } = await readStream(this.link.manager, stream);
      return `${config.subjects.join(", ")}; ${state.messages} messages`;
    }
    const { partitioned, members, parts, backlog } = await this.read();
    if (!partitioned) return `a pull consumer, backlog ${backlog}`;
    const all = `${parts.length} partitions, backlog ${backlog}`;
    if (this.#group === undefined) return `no group yet, its first member makes it; ${all}`;
    const size = members?.length === 0 ? "nobody in it" : `${members?.length} in it`;
    return `a docktor group, ${size}, ${all}`;
  }

  async read(): Promise<QueueSample> {
    const { stream, consumer, subject } = this.#config;
    const { link } = this;
    const { manager } = link;
    try {
      this.#group ??= await GroupReader.find(link, stream, consumer);
      if (this.#group !== undefined) return await sampleGroup(manager, this.#group);
      const info = await findConsumer(manager, stream, consumer);
      if (info !== undefined) return await sampleConsumer(manager, info);
      await readStream(manager, stream);
      const topology =
        subject === undefined ? undefined : await readTopology(link, { stream, subject });
      if (subject === undefined || topology === undefined) throw this.#missing();
      return await sampleBeforeJoin(link, { stream, subject, ...topology });
    } catch (error) {
      // What was made anew meanwhile is looked for from the start.
      this.#group = undefined;
      throw fromNats(error, `read ${consumer} of stream ${stream}`);
    }
  }

  async drain(member: MemberSample, signal: AbortSignal): Promise<void> {
    if (this.#group !== undefined) await drainMember(this.#group, member, signal);
  }

  async close(): Promise<void> {
    await this.#link?.close().catch((error: unknown) => {
      process.emitWarning(`the scaler's connection did not close: ${messageOf(error)}`);
    });
    this.#link = undefined;
    this.#group = undefined;
  }

  #missing(): DocktorError {
    const { stream, consumer, subject } = this.#config;
    const hint =
      subject === undefined
        ? "name the group's subject as queue.subject if nobody has joined it yet, or look at the names"
        : `no docktor producer or consumer has used subject ${subject} yet: look at the names`;
    return new DocktorError(
      "READING_UNAVAILABLE",
      `stream ${stream} has no group or consumer ${consumer}: ${hint}`,
    );
  }
}
