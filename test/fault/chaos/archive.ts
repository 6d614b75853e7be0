/** What the servers hold: the observer that no member can deceive. */
import { setTimeout as sleep } from "node:timers/promises";
import type { JetStreamManager } from "@nats-io/jetstream";
import { openBucket } from "../../../src/lease/kv-store.ts";
import { type Link, openLink } from "../../../src/nats/connection.ts";
import { isStreamNotFound } from "../../../src/nats/errors.ts";
import type { Evidence, Roster, Stored, Write } from "./evidence.ts";
import type { StreamRole } from "./plan.ts";

const STREAM = "EVENTS";
const GROUP = "CHAOS";
const LEASES = `docktor_${STREAM}_${GROUP}_leases`;
const SESSIONS = `docktor_${STREAM}_${GROUP}_members`;

/** A bucket with docktor's settings. */
const PATTERN = "pattern";

/** The streams by their role. */
export const STREAMS: Readonly<Record<StreamRole, string>> = {
  messages: STREAM,
  leases: `KV_${LEASES}`,
  sessions: `KV_${SESSIONS}`,
};

/** How long nodes that have just come together may not know of a stream. */
const FOUND_WITHIN_MS = 10_000;

/** Reads what a group and its stream have come to. */
export class Archive implements AsyncDisposable {
  readonly #link: Link;

  private constructor(link: Link) {
    this.#link = link;
  }

  /**
   * Makes the bucket of leases and checkpoints before any member does, and has it keep every write
   * for ever: so none can be missed, however soon the next one follows.
   *
   * It is made with that setting, after a pattern: a node of version 2.9 that is started again goes by the
   * settings that a stream was made with, and drops what those do not keep, until it hears of a change.
   */
  static async open(url: string, replicas: number): Promise<Archive> {
    const link = await openLink({ servers: url }, "chaos archive");
    const { streams } = link.manager;
    await openBucket(link, PATTERN, { replicas });
    const { config } = await onceFound(() => streams.info(`KV_${PATTERN}`));
    await streams.add({
      ...config,
      name: STREAMS.leases,
      subjects: [`$KV.${LEASES}.>`],
      max_msgs_per_subject: -1,
    });
    await streams.delete(`KV_${PATTERN}`);
    return new Archive(link);
  }

  /** By how much the checkpoints are behind what is stored, summed up; 0 when everything is committed. */
  async behind(partitions: number): Promise<number> {
    let behind = 0;
    for (let partition = 0; partition < partitions; partition++) {
      const message = await last(this.#link.manager, STREAM, `events.p.${partition}`);
      const checkpoint = await last(
        this.#link.manager,
        STREAMS.leases,
        `$KV.${LEASES}.checkpoint.${partition}`,
      );
      const committed = checkpoint?.json<{ sequence: number }>().sequence ?? 0;
      behind += Math.max(0, (message?.seq ?? 0) - committed);
    }
    return behind;
  }

  /** Whether every partition has an owner. */
  async owned(partitions: number): Promise<boolean> {
    for (let partition = 0; partition < partitions; partition++) {
      const lease = await last(
        this.#link.manager,
        STREAMS.leases,
        `$KV.${LEASES}.lease.${partition}`,
      );
      if (lease?.json<{ owner?: string }>().owner === undefined) return false;
    }
    return true;
  }

  /** Every message of the stream. */
  async stored(): Promise<Stored[]> {
    const messages = await this.#read(STREAM);
    return messages.map(({ subject, sequence, at, data, key }) => ({
      n: (JSON.parse(data) as { n: number }).n,
      partition: Number(subject.split(".").at(-1)),
      sequence,
      key,
      at,
    }));
  }

  /** Every accepted write of a lease or a checkpoint. */
  async writes(): Promise<Write[]> {
    const messages = await this.#read(STREAMS.leases);
    return messages.flatMap(({ subject, sequence: revision, at, data }): Write[] => {
      const [kind, name] = subject.split(".").slice(2);
      if (name === undefined || name === "roster" || data === "") return [];
      const record = JSON.parse(data) as {
        epoch: number;
        owner?: string;
        next?: string;
        sequence?: number;
        since?: number;
        lateSince?: number;
      };
      const common = { revision, at, partition: Number(name), epoch: record.epoch };
      if (kind === "checkpoint") {
        return [
          {
            kind,
            ...common,
            sequence: record.sequence ?? Number.NaN,
            since: record.lateSince ?? record.since,
          },
        ];
      }
      return [{ kind: "lease", ...common, owner: record.owner, next: record.next }];
    });
  }

  /** Every roster that was accepted. */
  async rosters(): Promise<Roster[]> {
    const messages = await this.#read(STREAMS.leases);
    const rosters = messages.filter(({ subject }) => subject.endsWith(".lease.roster"));
    return rosters.map(({ sequence: revision, at, data }) => {
      const { members } = JSON.parse(data) as { members: Record<string, { state: string }> };
      const states = Object.entries(members).map(([id, { state }]) => [id, state]);
      return { revision, at, members: Object.fromEntries(states) as Roster["members"] };
    });
  }

  /** The members that are on the group's roster. */
  async members(): Promise<string[]> {
    const roster = await last(this.#link.manager, STREAMS.leases, `$KV.${LEASES}.lease.roster`);
    return Object.keys(roster?.json<{ members: object }>().members ?? {});
  }

  /** What a group without members has left. */
  async left(): Promise<Evidence["left"]> {
    const { manager } = this.#link;
    const durables: { partition: number; epoch: number }[] = [];
    for await (const { name } of manager.consumers.list(STREAM)) {
      const [, partition, epoch] = /-p(\d+)-e(\d+)$/.exec(name) ?? [];
      durables.push({ partition: Number(partition), epoch: Number(epoch) });
    }
    const sessions = await manager.streams.info(STREAMS.sessions, { subjects_filter: ">" });
    const live: string[] = [];
    for (const subject of Object.keys(sessions.state.subjects ?? {})) {
      const session = await last(manager, STREAMS.sessions, subject);
      const data = session?.string() ?? "";
      // What is deleted or declared dead expires by itself.
      if (data !== "" && !data.includes("expired")) live.push(subject);
    }
    return {
      durables,
      members: await this.members(),
      sessions: live,
    };
  }

  async [Symbol.asyncDispose](): Promise<void> {
    await this.#link.close();
  }

  async #read(stream: string): Promise<Message[]> {
    const { state } = await this.#link.manager.streams.info(stream);
    const messages: Message[] = [];
    if (state.messages === 0) return messages;
    const consumer = await this.#link.jetstream.consumers.get(stream);
    for await (const each of await consumer.consume({ max_messages: 1_000 })) {
      messages.push({
        subject: each.subject,
        sequence: each.seq,
        at: each.info.timestampNanos / 1e6,
        data: each.string(),
        key: each.headers?.get("Docktor-Key") ?? "",
      });
      if (each.info.pending === 0) break;
    }
    return messages;
  }
}

interface Message {
  readonly subject: string;
  readonly sequence: number;
  readonly at: number;
  readonly data: string;
  readonly key: string;
}

/** Tries a step again for a while: nodes that have just come together may not know of a stream at first. */
async function onceFound<T>(step: () => Promise<T>): Promise<T> {
  for (const endsAt = performance.now() + FOUND_WITHIN_MS; ; await sleep(100)) {
    try {
      return await step();
    } catch (error) {
      if (!isStreamNotFound(error) || performance.now() > endsAt) throw error;
    }
  }
}

async function last(
  manager: JetStreamManager,
  stream: string,
  subject: string,
): ReturnType<JetStreamManager["streams"]["getMessage"]> {
  try {
    return await manager.streams.getMessage(stream, { last_by_subj: subject });
  } catch (error) {
    if (error instanceof Error && /no message found/.test(error.message)) return null;
    throw error;
  }
}
