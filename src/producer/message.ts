/** A message on its way, and what its publisher gets back. */

/** The stream's confirmation that a message is stored. */
export interface PublishAck {
  /** The stream that stored it. */
  readonly stream: string;
  /** Its sequence in the stream; that of the first copy if it is a duplicate. */
  readonly sequence: number;
  readonly partition: number;
  /**
   * Whether the stream already had a message with the `messageId` given, and so did not
   * store this one. After a lost ack that may be this message's own first attempt. Always
   * `false` for a generated id.
   */
  readonly duplicate: boolean;
}

/** A message ready to be sent. */
export interface Outgoing {
  readonly partition: number;
  readonly subject: string;
  readonly messageId: string;
  /** Whether the id is the user's, who may have published under it before. */
  readonly idGiven: boolean;
  readonly headers: Uint8Array;
  readonly data: Uint8Array;
  /** Bytes of headers and data. */
  readonly size: number;
}

/** A message that was accepted and whose outcome is open. */
export interface Pending {
  readonly message: Outgoing;
  /** Grows in the order of the publish calls. */
  readonly token: number;
  /** When it came in, on the producer's clock. */
  readonly queuedAt: number;
  readonly resolve: (ack: PublishAck) => void;
  readonly reject: (error: Error) => void;
  attempts: number;
  /** How many attempts the server answered with a refusal. */
  refusals: number;
  /** Why the last attempt was refused. */
  reason: string | undefined;
  /** Refused for now: goes out again when the hold ends. */
  waiting: boolean;
  /** When an ack is overdue. */
  dueAt: number;
  /** From this moment on another attempt could be stored a second time. */
  resendBy: number;
}

/** Whether an attempt of it may be stored although no ack came. */
export function mayBeStored(pending: Pending): boolean {
  return pending.attempts > pending.refusals;
}
