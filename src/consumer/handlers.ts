/** What users hand to a consumer: their handlers, and what these get. */
import type { Message } from "./message.ts";

/** What a handler gets beside its messages. */
export interface HandlerContext {
  /**
   * Aborts when the partition is lost: whatever the handler still does may be done again
   * by another member. The reason is a DocktorError.
   */
  readonly signal: AbortSignal;
  /**
   * The fencing token: grows with every change of the partition's owner. A sink that
   * refuses a smaller epoch than it has seen is safe from handlers that wake up late.
   */
  readonly epoch: number;
}

/** Consecutive messages of one partition. */
export interface MessageBatch {
  readonly partition: number;
  /** At least one, in order. */
  readonly messages: readonly Message[];
  readonly firstSequence: number;
  readonly lastSequence: number;
}

/**
 * Handles one message. It is handled when the returned promise resolves; when it rejects,
 * the same message is handed over again, after a pause, and those behind it wait.
 */
export type EachMessage = (message: Message, context: HandlerContext) => Promise<void> | void;

/** Handles consecutive messages of one partition, all or none. */
export type EachBatch = (batch: MessageBatch, context: HandlerContext) => Promise<void> | void;

/** How to handle messages: one by one or in batches. */
export type Handlers =
  | { readonly eachMessage: EachMessage; readonly eachBatch?: never }
  | { readonly eachBatch: EachBatch; readonly eachMessage?: never };

/** Handling several keys of one partition at a time. */
export interface KeyConcurrency {
  /** How many messages of one partition may be handled at a time, from 1 to 10,000. */
  readonly perPartition: number;
  /**
   * What keeps its order: messages with the same key are handled one at a time, in order.
   * Messages without a key count as one key.
   */
  readonly by: "key";
}

/** Handling fewer partitions at a time than a member has. */
export interface MemberConcurrency {
  /**
   * How many handlers of one member may be under way at a time, from 1 to 10,000: for what they share, such as a pool of
   * connections. Whoever scales the group then knows what a member can do before it does as much.
   */
  readonly perMember: number;
}
