/** A look at the stream that can be relied on. */
import { setTimeout as sleep } from "node:timers/promises";
import type { StreamInfo } from "@nats-io/jetstream";
import type { StreamPosition } from "../lease/checkpoint.ts";

/** How long a new leader of a stream may take to catch up: 5 s. */
const CATCH_UP = { looks: 20, pauseMs: 250 };

/**
 * The stream as it is after the call. Of a replicated one, whoever has just come to lead it may not have
 * caught up: should it end before what is known of it, it is looked at again for a while.
 */
export async function lookAtStream(
  look: () => Promise<StreamInfo>,
  replicas: number,
  known: StreamPosition | undefined,
): Promise<StreamPosition> {
  for (let looks = 1; ; looks++) {
    const { created, state } = await look();
    const isBehind = created === known?.created && state.last_seq < known.lastSequence;
    if (!isBehind || replicas === 1 || looks === CATCH_UP.looks) {
      return { created, lastSequence: state.last_seq };
    }
    await sleep(CATCH_UP.pauseMs);
  }
}
