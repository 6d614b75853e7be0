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
  let onFailure = (): void => {};
  const onStored = (): void => void stored++;
  const onFailed = (error: unknown): void => {
    failure ??= { error };
    onFailure();
  };
  /** Takes one; returns what is to be waited for before the next, as a rule nothing. */
  const takeNext = (message: T): Promise<void> | undefined => {
    taken++;
    take(message, onStored, onFailed);
    return hasRoom() || failure !== undefined ? undefined : ready();
  };
  try {
    if (Symbol.asyncIterator in messages) {
      const iterator = messages[Symbol.asyncIterator]();
      // The source may have nothing to give for long: who waits for it is to hear of a failure all the same.
      const nextOrFailure = (): Promise<IteratorResult<T> | undefined> =>
        new Promise((resolve, reject) => {
          onFailure = () => resolve(undefined);
          iterator.next().then(resolve, reject);
        });
      while (failure === undefined) {
        const next = await nextOrFailure();
        if (next?.done === true) break;
        if (next !== undefined) await takeNext(next.value);
      }
      // It may only end once it has given what it was asked for.
      if (failure !== undefined) void iterator.return?.().catch(() => {});
    } else {
      for (const message of messages) {
        // To await nothing would take as long as to send.
        const room = takeNext(message);
        if (room !== undefined) await room;
        if (failure !== undefined) break;
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
