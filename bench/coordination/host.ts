/** A process with several members of a group, which do nothing but belong to it. */
import { Consumer } from "../../src/index.ts";

/** Which members, and of what. */
export interface HostOptions {
  readonly url: string;
  readonly partitions: number;
  readonly ttlMs: number;
  readonly members: readonly string[];
}

/** What the process can be told. */
export type HostCommand = { readonly type: "join" | "leave"; readonly member: string };

/** What it tells. */
export type HostReport =
  | { readonly type: "ready" }
  | { readonly type: "done"; readonly member: string }
  | { readonly type: "memory"; readonly mb: number };

const { url, partitions, ttlMs, members } = JSON.parse(process.argv[2] ?? "") as HostOptions;
const tell = (report: HostReport): void => void process.send?.(report);
const joined = new Map<string, Consumer>();

async function join(memberId: string): Promise<void> {
  const consumer = new Consumer({
    servers: url,
    stream: "EVENTS",
    subject: "events",
    partitions,
    group: "WIDE",
    memberId,
    session: { ttlMs },
  });
  consumer.on("error", ({ code, message }) => console.error(`${memberId}: ${code}: ${message}`));
  joined.set(memberId, consumer);
  await consumer.run({ eachMessage: () => {} });
}

process.on("message", ({ type, member }: HostCommand) => {
  const step = type === "join" ? join(member) : joined.get(member)?.drain();
  void step?.then(() => tell({ type: "done", member }));
});
process.once("disconnect", () => process.exit());
for (const member of members) await join(member);
tell({ type: "ready" });
setInterval(() => tell({ type: "memory", mb: process.memoryUsage().rss / 1e6 }), 1_000);
