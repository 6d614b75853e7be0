/** A service on no platform: replicas and a queue that the test sets, and notes of what was done to them. */
import type { DocktorError } from "../../src/errors.ts";
import type { ServiceConfig } from "../../src/scaler/config/config.ts";
import { ControlLoop, type ScalerReport } from "../../src/scaler/control-loop.ts";
import type { Capabilities, Driver, Replica } from "../../src/scaler/drivers/driver.ts";
import type { MemberSample, QueueReader, QueueSample } from "../../src/scaler/signals/queue.ts";
import { ManualClock } from "./clock.ts";
import { FILE, read } from "./config.ts";

/** Notes in `did` what it is told. */
export class FakeDriver implements Driver {
  readonly capabilities: Capabilities = { choosesVictim: true };
  readonly did: string[] = [];
  replicas: Replica[] = [];
  /** Thrown by what it names. */
  failing: { current?: Error; grow?: Error } = {};
  #started = 0;

  async current(): Promise<readonly Replica[]> {
    if (this.failing.current) throw this.failing.current;
    return [...this.replicas];
  }

  async grow(count: number): Promise<void> {
    this.did.push(`grow ${count}`);
    if (this.failing.grow) throw this.failing.grow;
    for (let i = 0; i < count; i++) this.start();
  }

  start(): void {
    const id = `r${++this.#started}`;
    this.replicas.push({ id, name: id, memberId: id, state: "running", cpuPercent: 50 });
  }

  async remove({ id }: Replica): Promise<void> {
    this.did.push(`remove ${id}`);
    this.replicas = this.replicas.filter((each) => each.id !== id);
  }

  async check(): Promise<void> {}
  async close(): Promise<void> {}
}

/** A queue of one part, of which every replica of the driver is a member. */
export class FakeQueue implements QueueReader {
  readonly #driver: FakeDriver;
  readonly #clock: ManualClock;
  backlog = 0;
  handled = 0;
  failing: Error | undefined;
  /** How a member is drained; noted as begun and ended. */
  draining: (signal: AbortSignal) => Promise<void> = async () => {};

  constructor(driver: FakeDriver, clock: ManualClock) {
    this.#driver = driver;
    this.#clock = clock;
  }

  async connect(): Promise<void> {}
  async close(): Promise<void> {}
  async validate(): Promise<string> {
    return "";
  }

  async read(): Promise<QueueSample> {
    if (this.failing) throw this.failing;
    const { backlog, handled } = this;
    return {
      at: this.#clock.now(),
      backlog,
      lag: backlog,
      oldestMs: undefined,
      parts: [{ counter: "1", handled, backlog }],
      partitioned: false,
      members: this.#driver.replicas.map(({ id }) => memberOf(id)),
      rebalancing: false,
    };
  }

  async drain({ id }: MemberSample, signal: AbortSignal): Promise<void> {
    this.#driver.did.push(`drain ${id}`);
    await this.draining(signal);
    this.#driver.did.push(`drained ${id}`);
  }
}

function memberOf(id: string): MemberSample {
  const work = { processed: 0, busyMs: 0 };
  return { id, incarnation: id, state: "active", startedAt: 0, partitions: 1, work };
}

/** One service with its control loop. */
export class FakeService {
  readonly clock: ManualClock = new ManualClock();
  readonly driver: FakeDriver = new FakeDriver();
  readonly queue: FakeQueue = new FakeQueue(this.driver, this.clock);
  readonly reports: ScalerReport[] = [];
  readonly errors: DocktorError[] = [];
  readonly loop: ControlLoop;
  leads = true;
  readonly #stop = new AbortController();

  /** @param keys of the service in the configuration */
  constructor(keys: Readonly<Record<string, unknown>>) {
    this.loop = new ControlLoop(configOf(keys), {
      driver: this.driver,
      queue: this.queue,
      clock: this.clock,
      mayAct: () => this.leads,
      decisionLog: undefined,
      onDecision: (report) => this.reports.push(report),
      onError: (error) => this.errors.push(error),
    });
  }

  /** Has it look every 5 s, from now on. */
  run(): void {
    void this.loop.run(this.#stop.signal);
  }

  stop(): void {
    this.#stop.abort();
  }

  /** The last thing that was decided. */
  get last(): ScalerReport["entry"] {
    const entry = this.reports.at(-1)?.entry;
    if (entry === undefined) throw new Error("nothing was decided yet");
    return entry;
  }
}

/** A service as the configuration has it. */
export function configOf(keys: Readonly<Record<string, unknown>>): ServiceConfig {
  const queue = { stream: "EVENTS", consumer: "WORKERS", subject: "events" };
  const text = JSON.stringify({ services: [{ name: "consumer", queue, ...keys }] });
  const [service] = read(text).services;
  if (service === undefined) throw new Error(`${FILE} has no service`);
  return service;
}
