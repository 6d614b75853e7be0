/**
 * Shares a read among those who ask at the same time, without ever showing anyone a state from
 * before the asking: a read that is under way is not joined; all who wait share the next one.
 */
export function freshly<T>(read: () => Promise<T>): () => Promise<T> {
  let underWay: Promise<unknown> = Promise.resolve();
  let next: Promise<T> | undefined;
  return () => {
    next ??= underWay
      .catch(() => undefined)
      .then(() => {
        next = undefined;
        const reading = read();
        underWay = reading;
        return reading;
      });
    return next;
  };
}
