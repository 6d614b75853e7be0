/** A program for replicas that writes down what happens to it, and behaves as it is told. */
import { readdirSync, readFileSync } from "node:fs";
import { join } from "node:path";

/**
 * `polite`: ends in good order soon after it is asked to. `deaf`: does not. `crashing`: says why, and exits with 3.
 */
export type Behaviour = "polite" | "deaf" | "crashing";

/** What replicas write down. */
export type Event = "started" | "asked" | "finished";

/** For `node -e`, so that nothing but Node is needed in a container. */
export const PROGRAM = `
  const { appendFileSync } = require("node:fs");
  const { JOURNAL, BEHAVIOUR, MEMBER_ID = "nobody" } = process.env;
  const file = JOURNAL + "/" + require("node:crypto").randomUUID();
  const tell = (event) => appendFileSync(file, event + " " + process.pid + " " + MEMBER_ID + "\\n");
  process.on("SIGTERM", () => {
    tell("asked");
    if (BEHAVIOUR === "deaf") return;
    setTimeout(() => {
      tell("finished");
      process.exit(0);
    }, 100);
  });
  tell("started");
  if (BEHAVIOUR === "crashing") {
    console.error("there is no such stream");
    process.exit(3);
  }
  console.log("at work");
  setInterval(() => {}, 1000);
`;

/** One thing that a replica wrote down. */
export interface Entry {
  readonly event: Event;
  readonly pid: number;
  readonly memberId: string;
}

/** What all replicas that write into the folder have written down. */
export function readJournal(folder: string): readonly Entry[] {
  return readdirSync(folder).flatMap((name) =>
    readFileSync(join(folder, name), "utf8")
      .split("\n")
      .filter(Boolean)
      .map((line) => {
        const [event, pid, memberId = ""] = line.split(" ");
        return { event: event as Event, pid: Number(pid), memberId };
      }),
  );
}
