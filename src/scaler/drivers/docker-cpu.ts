/** What containers use, read beside everything else: engines take up to a second for it, for which no decision should wait. */
import { CpuMeter } from "./cpu-meter.ts";
import type { Engine } from "./docker-engine.ts";

/** The shares of containers on one engine. */
export class DockerCpu {
  readonly #engine: Engine;
  readonly #meter = new CpuMeter();
  #shares: ReadonlyMap<string, number | undefined> = new Map();
  #reading = false;

  constructor(engine: Engine) {
    this.#engine = engine;
  }

  /**
   * The share of one core, in per cent, that each used between the last two readings; undefined where there are no two.
   * Has the next reading taken, and others forgotten.
   *
   * @param containers their ids, by what the caller calls them
   */
  look(
    containers: ReadonlyMap<string, string>,
    signal: AbortSignal,
  ): ReadonlyMap<string, number | undefined> {
    if (!this.#reading) void this.#read(containers, signal);
    return this.#shares;
  }

  async #read(containers: ReadonlyMap<string, string>, signal: AbortSignal): Promise<void> {
    this.#reading = true;
    try {
      const readings = Array.from(containers, async ([name, id]) => {
        return [name, await this.#engine.cpu(id, signal)] as const;
      });
      this.#shares = this.#meter.look(new Map(await Promise.all(readings)));
    } catch {
      // Nobody waits for it any longer.
    } finally {
      this.#reading = false;
    }
  }
}
