/** One way of doing the work: docktor's, or what people write without it. */
import type { Meter } from "./meter.ts";

/** What a side works on. */
export interface Setting {
  readonly url: string;
  readonly stream: string;
  readonly subject: string;
  readonly partitions: number;
  /** The bytes of a message's data. */
  readonly payload: number;
  /** Whether messages carry their key in a header. */
  readonly keys: boolean;
  /** Names this run: what it leaves on the server must not be taken up by the next. */
  readonly run: string;
  /** How many processes share the work. */
  readonly members: number;
  /** How many messages a side that brings its own puts there before it is ready. */
  readonly total?: number;
}

/** A side that has made everything ready. */
export interface Ready {
  /** Begins; the meter counts what is done. */
  start(): void;
  /** Ends it and disconnects. */
  stop(): Promise<void>;
}

/** What each program does in the process of its own. */
export type Side = (setting: Setting, meter: Meter) => Promise<Ready>;

/** The keys that messages are published with, in turn. */
export const KEYS: readonly string[] = Array.from({ length: 1_000 }, (_, i) => `key-${i}`);
