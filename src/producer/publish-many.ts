/** Publishing messages that come one after the other, with no more of them taken than are on their way. */
import { DocktorError, toDocktorError } from "../errors.ts";

/** Where they go. */
export interface Intake<T> {
  /** Whether one more would be sent at once. */
  hasRoom: () => boolean;
  /** Resolves when there is room. */
  ready: () => Promise<void>;
  /** Takes one; what becomes of it is told later, or at once. */
  take: (message: T, stored: () => void, failed: (error: unknown) => void) => void;
  /** Resolves when everything taken so far is stored or has failed. */
  flush: () => Promise<void>;
}

/**
 * Publishes all messages; resolves with how many when they are stored. Takes none after one that failed, and
 * rejects with its error once those on their way have an outcome.
 */
export async function publishMany<T>(
  messages: Iterable<T> | AsyncIterable<T>,
  { hasRoom, ready, take, flush }: Intake<T>,
): Promise<number> {
  let [taken, stored] = [0, 0];
  let failure: { error: unknown } | undefined;
  const onStored = (): void => void stored++;
  const onFailed = (error: unknown): void => void (failure ??= { error });
  const takeNext = (message: T): void => {
    taken++;
    take(message, onStored, onFailed);
  };
  try {
    if (Symbol.asyncIterator in messages) {
      for await (const message of messages) {
        if (!hasRoom()) await ready();
        if (failure !== undefined) break;
        takeNext(message);
      }
    } else {
      for (const message of messages) {
        // Most need not wait, and to await all the same would take as long as to send.
        if (!hasRoom()) await ready();
        if (failure !== undefined) break;
        takeNext(message);
      }
    }
  } catch (error) {
    // Of the messages themselves, or the producer was closed.
    onFailed(error);
  }
  await flush();
  if (failure === undefined) return stored;
  throw within(failure.error, taken, stored);
}

/** The failure, which also says what became of the others. */
function within(error: unknown, taken: number, stored: number): DocktorError {
  const { code, retriable, message } = toDocktorError(error);
  return new DocktorError(
    code,
    `${message}; of ${taken} messages taken so far ${stored} are stored`,
    { cause: error, retriable },
  );
}
