/** A producer that publishes at a rate until it is told to stop. */
import { createPacer, type Producer } from "../src/index.ts";

/** Publishes 128 bytes to 1,000 keys in turn; resolves, once stopped, with how many were stored. */
export async function publishAt(
  rate: number,
  producer: Producer,
  signal: AbortSignal,
): Promise<number> {
  const pacer = createPacer({ rate });
  const startedAt = performance.now();
  let sent = 0;
  while (!signal.aborted) {
    for (const due = pacer.dueBy(performance.now() - startedAt); sent < due; sent++) {
      await producer.ready();
      void producer.publish(`key-${sent % 1_000}`, "x".repeat(128));
    }
    await new Promise((resolve) => setTimeout(resolve, 2));
  }
  await producer.flush();
  return sent;
}
