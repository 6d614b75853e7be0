/** A member's work on its partitions, in the test's hands. */
import type { DocktorError } from "../../src/errors.ts";
import type { Lease } from "../../src/lease/lease.ts";
import type { Expected, PartitionWork } from "../../src/partition/ownership.ts";

/** Notes what it is told to do, and does as the test says. */
export class FakeWork implements PartitionWork {
  readonly durableSettings = "all 512";
  readonly #leases = new Map<number, Lease>();
  readonly #log: string[] = [];
  onStart = (_lease: Lease): Promise<void> => Promise.resolve();
  onPrepare = (): Promise<boolean> => Promise.resolve(true);
  onFinish = (): Promise<void> => Promise.resolve();

  /** The last lease with which it was told to start. */
  leaseOf(partition: number): Lease {
    const lease = this.#leases.get(partition);
    if (lease === undefined) throw new Error(`no work was started on ${partition}`);
    return lease;
  }

  /** What happened since the last look. */
  news(): string[] {
    return this.#log.splice(0);
  }

  expect(partition: number, epoch: number): Expected {
    this.#log.push(`expect ${partition} in epoch ${epoch}`);
    return {
      start: (lease) => this.#start(lease, ", as expected"),
      close: () => this.#log.push(`do not expect ${partition} in epoch ${epoch}`),
    };
  }

  async start(lease: Lease): Promise<void> {
    await this.#start(lease);
  }

  async #start(lease: Lease, how = ""): Promise<void> {
    this.#log.push(`start ${lease.partition} in epoch ${lease.epoch}${how}`);
    this.#leases.set(lease.partition, lease);
    await this.onStart(lease);
  }

  async prepare({ partition }: Lease): Promise<boolean> {
    this.#log.push(`prepare ${partition}`);
    return await this.onPrepare();
  }

  async makeSpare(partition: number, epoch: number, after: number): Promise<void> {
    this.#log.push(`make a spare of ${partition} for epoch ${epoch} behind ${after}`);
  }

  async removeSpare(partition: number, epoch: number): Promise<void> {
    this.#log.push(`remove the spare of ${partition} for epoch ${epoch}`);
  }

  async finish({ partition }: Lease): Promise<void> {
    this.#log.push(`finish ${partition}`);
    await this.onFinish();
  }

  async flush({ partition }: Lease): Promise<void> {
    this.#log.push(`flush ${partition}`);
  }

  released({ partition }: Lease, next: string | undefined, durationMs: number): void {
    this.#log.push(`released ${partition} to ${next ?? "anyone"} after ${durationMs} ms`);
  }

  abort({ partition, epoch }: Lease, reason: DocktorError): void {
    this.#log.push(`abort ${partition} in epoch ${epoch}: ${reason.code}`);
  }
}
