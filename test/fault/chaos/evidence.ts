/** What is known of a run: all times are Unix milliseconds of the one machine it ran on. */
import type { ProcessedRecord } from "../../../src/record/record.ts";
import type { Plan } from "./plan.ts";

/** What a member notes, each with when. */
export type Noted =
  | {
      readonly type: "start";
      readonly partition: number;
      readonly epoch: number;
      readonly sequence: number;
      readonly key: string;
      /** When the event loop was last seen to turn: what was looked at is as old as that at most. */
      readonly turnedAt: number;
    }
  | {
      readonly type: "end";
      readonly partition: number;
      readonly epoch: number;
      readonly sequence: number;
      readonly key: string;
      readonly outcome: "handled" | "threw" | "aborted";
    }
  | {
      readonly type: "claimed" | "commit" | "stalled";
      readonly partition: number;
      readonly epoch: number;
      readonly sequence: number;
    }
  | {
      readonly type: "released";
      readonly partition: number;
      readonly epoch: number;
      readonly next: string | undefined;
    }
  | {
      readonly type: "lost";
      readonly partition: number;
      readonly epoch: number;
      readonly reason: string;
    }
  | {
      readonly type: "gap";
      readonly partition: number;
      readonly epoch: number;
      readonly first: number;
      readonly last: number;
    }
  | { readonly type: "error"; readonly code: string; readonly message: string }
  | { readonly type: "joined" | "draining" | "left" };

/** What one process of a member noted; `member` names the process, as in `m1#2`. */
export type MemberEvent = Noted & { readonly at: number; readonly member: string };

/** An action as it was carried out. */
export interface Performed {
  readonly what: string;
  /** The process it was done to, as in `m1#2`; undefined for a server. */
  readonly member?: string;
  readonly type: string;
  readonly from: number;
  /** When it was over; for what lasts. */
  readonly to: number;
}

/** What became of a message that was published. */
export type Published =
  | { readonly n: number; readonly partition: number; readonly sequence: number }
  | { readonly n: number; readonly error: string };

/** A message as the stream holds it. */
export interface Stored {
  readonly n: number;
  readonly partition: number;
  readonly sequence: number;
  readonly key: string;
  readonly at: number;
}

/** An accepted write of a lease or a checkpoint, in the order of revisions. */
export type Write = {
  readonly revision: number;
  readonly at: number;
  readonly partition: number;
  readonly epoch: number;
} & (
  | {
      readonly kind: "lease";
      readonly owner: string | undefined;
      readonly next: string | undefined;
    }
  | { readonly kind: "checkpoint"; readonly sequence: number; readonly since: number | undefined }
);

/** The group's roster as it was written: member → state. */
export interface Roster {
  readonly revision: number;
  readonly at: number;
  readonly members: Readonly<Record<string, string>>;
}

/** How a process of a member ended. */
export interface Exit {
  readonly member: string;
  /** What it was told. */
  readonly how: "leave" | "kill" | "by itself" | "hung";
  readonly code: number | null;
  readonly at: number;
  /** The end of what it said on stderr. */
  readonly said: string;
}

/** Everything that the judge looks at. */
export interface Evidence {
  readonly plan: Plan;
  readonly startedAt: number;
  readonly performed: readonly Performed[];
  readonly published: readonly Published[];
  readonly stored: readonly Stored[];
  readonly writes: readonly Write[];
  readonly rosters: readonly Roster[];
  /** Each process's in its own order; `member` names the process. */
  readonly records: readonly ProcessedRecord[];
  readonly events: readonly MemberEvent[];
  readonly exits: readonly Exit[];
  /** Whether everything stored was committed in time after the last fault. */
  readonly caughtUp: boolean;
  /** What is on the server when everyone has left. */
  readonly left: {
    readonly durables: readonly { readonly partition: number; readonly epoch: number }[];
    readonly members: readonly string[];
    readonly sessions: readonly string[];
  };
}

/** Something that must not be. */
export interface Finding {
  readonly rule: string;
  readonly text: string;
  readonly partition?: number;
  readonly at?: number;
}
