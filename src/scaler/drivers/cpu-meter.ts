/** Processor time that only ever adds up, as a share of one core between two looks. Pure. */

/** What a replica has used so far. */
export interface CpuReading {
  /** Processor time of all its threads, in milliseconds. */
  readonly usedMs: number;
  /** When that was read, in milliseconds on a clock that never goes back. */
  readonly atMs: number;
}

/** Remembers the last reading of each replica. */
export class CpuMeter {
  #last = new Map<string, CpuReading>();

  /**
   * The share of one core, in per cent, that each replica used since it was read last; undefined for one that was not
   * read before, or cannot be read now. Replicas that are left out are forgotten.
   */
  look(
    readings: ReadonlyMap<string, CpuReading | undefined>,
  ): ReadonlyMap<string, number | undefined> {
    const shares = new Map<string, number | undefined>();
    const next = new Map<string, CpuReading>();
    for (const [id, reading] of readings) {
      const last = this.#last.get(id);
      shares.set(id, reading && last && percent(last, reading));
      const kept = reading ?? last;
      if (kept !== undefined) next.set(id, kept);
    }
    this.#last = next;
    return shares;
  }
}

function percent(from: CpuReading, to: CpuReading): number | undefined {
  const passedMs = to.atMs - from.atMs;
  const usedMs = to.usedMs - from.usedMs;
  // Less than before: it was started again in between.
  if (passedMs <= 0 || usedMs < 0) return undefined;
  return (usedMs / passedMs) * 100;
}
