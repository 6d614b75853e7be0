/** The dead letters of a stream, as long as a command needs them. */
import {
  DeadLetterQueue,
  type DeadLetterQueueOptions,
  DocktorError,
  type StoredDeadLetter,
} from "../../index.ts";
import { wholeNumber } from "../settings.ts";

/** Reads the id of a dead letter. */
export const letterId: (text: string) => number = wholeNumber(1, Number.MAX_SAFE_INTEGER);

/** Connects, and closes the connection whatever happens. */
export async function withDeadLetters<T>(
  where: DeadLetterQueueOptions,
  use: (queue: DeadLetterQueue) => Promise<T>,
): Promise<T> {
  const queue = await DeadLetterQueue.connect(where);
  try {
    return await use(queue);
  } finally {
    await queue.close();
  }
}

/** The letter of that id. @throws DocktorError DEAD_LETTER_NOT_FOUND */
export async function findLetter(
  queue: DeadLetterQueue,
  stream: string,
  id: number,
): Promise<StoredDeadLetter> {
  const letter = await queue.get(id);
  if (letter === undefined) {
    throw new DocktorError(
      "DEAD_LETTER_NOT_FOUND",
      `stream ${stream} has no dead letter ${id}: list them with "docktor dlq list --stream ${stream}"`,
    );
  }
  return letter;
}
