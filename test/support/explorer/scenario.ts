/** A scenario: who takes which steps, and what may go wrong meanwhile. */
import type { ModelMember } from "./member.ts";
import type { Mutation } from "./mutations.ts";

/** What a member does. */
type Script = (member: ModelMember) => Promise<unknown>;

/** What is explored. */
export interface Scenario {
  /** What has happened before, with every request answered. */
  readonly before?: (members: Readonly<Record<string, ModelMember>>) => Promise<unknown>;
  /** What each member does then, by its id. */
  readonly scripts: Readonly<Record<string, Script>>;
  /**
   * Members that may be paused: their timers run late or never, and what becomes of their renewals
   * is explored too. The others renew in time, whatever happens to the rest of their requests.
   */
  readonly mayPause?: readonly string[];
  /** How often time passes, each time until a timer or an expiry of one that may be paused. */
  readonly passages?: number;
  /** How many answers may be lost or late. */
  readonly faults: number;
  /** Whether silence is settled by sending again, or told to the protocol at once. */
  readonly settles?: boolean;
  /** Members take what is not theirs to take: two may start handlers, but still only one commits. */
  readonly wrongView?: true;
  readonly mutation?: Mutation;
}
