/** What can be read of the simulated group: late, over windows, with errors of measurement, and sometimes not at all. */
import type { Readings, Unread } from "../policy/readings.ts";
import type { Backlog } from "./backlog.ts";
import type { Member } from "./group.ts";
import type { Random } from "./random.ts";
import type { Service } from "./service.ts";
import { type Span, within } from "./traffic.ts";

const EVERY_MS = 1_000;
const SHORT_MS = 10_000;
const LONG_MS = 60_000;
/** How often processes' use of the processor is looked at, and over how long, as Kubernetes' metrics-server does. */
const CPU_MS = 15_000;
const KEPT = (LONG_MS + CPU_MS * 3) / EVERY_MS;

/** The group at one moment; counts are from the beginning. */
interface Look {
  readonly at: number;
  readonly arrived: readonly number[];
  readonly backlog: readonly number[];
  /** Handled, and not acknowledged yet. */
  readonly unacknowledged: number;
  readonly handled: number;
  readonly busyMs: number;
  readonly readyMs: number;
  readonly members: ReadonlyMap<string, Pick<Member, "handled" | "busyMs">>;
}

/** Looks at the group once in a second, and tells what a scaler could know. */
export class Observer {
  readonly #service: Service;
  readonly #outages: readonly Span[];
  readonly #random: Random;
  #looks: Look[] = [];
  #readyMs = 0;

  constructor(service: Service, outages: readonly Span[], random: Random) {
    this.#service = service;
    this.#outages = outages;
    this.#random = random;
  }

  /** Whether it is time for a look. */
  isDue(now: number): boolean {
    return now % EVERY_MS === 0;
  }

  /** Notes how things are; the members' figures, with those of members that have gone. */
  look(
    now: number,
    arrived: readonly number[],
    backlogs: readonly Backlog[],
    total: Pick<Member, "handled" | "busyMs">,
    members: readonly Member[],
  ): void {
    this.#readyMs += members.length * EVERY_MS;
    const lately = total.handled - (this.#looks.at(-1)?.handled ?? 0);
    this.#looks.push({
      at: now,
      unacknowledged: this.#random.poisson((lately * this.#service.ackMs) / EVERY_MS),
      arrived: [...arrived],
      backlog: backlogs.map(({ size }) => size),
      ...total,
      readyMs: this.#readyMs,
      members: new Map(members.map(({ id, handled, busyMs }) => [id, { handled, busyMs }])),
    });
    if (this.#looks.length > 2 * KEPT) this.#looks = this.#looks.slice(-KEPT);
  }

  /** What can be read now. */
  read(now: number): Readings | Unread {
    const { readingsDelayMs: delayMs, readingsError: error } = this.#service;
    if (within(this.#outages, now)) return { unread: "no answer from the server within 5 s" };
    const latest = this.#at(now - delayMs);
    const [short, long] = [this.#before(latest, SHORT_MS), this.#before(latest, LONG_MS)];
    if (latest === undefined || short === undefined || long === undefined) {
      return { unread: "it has only begun to be watched" };
    }
    const arrived = (since: Look): number => sum(latest.arrived) - sum(since.arrived);
    const seconds = (since: Look): number => (latest.at - since.at) / 1_000;
    const rateOut = (latest.handled - long.handled) / seconds(long);
    const busyS = (latest.busyMs - long.busyMs) / 1_000;
    const handled = latest.handled - long.handled;
    const backlog = sum(latest.backlog) + latest.unacknowledged;
    const rateIn = { short: arrived(short) / seconds(short), long: arrived(long) / seconds(long) };
    return {
      backlog,
      rateIn,
      rateOut,
      perReplica:
        busyS === 0
          ? undefined
          : (handled / busyS) * Math.max(0.5, 1 + error * this.#random.normal()),
      slowest: this.#slowest(latest, long),
      partitions: latest.arrived.map((count, i) => ({
        rateIn: (count - (long.arrived[i] ?? 0)) / seconds(long),
        backlog: latest.backlog[i] ?? 0,
      })),
      metrics: {
        "queue.backlog": backlog,
        "queue.lag": backlog,
        "queue.rate_in": rateIn.short,
        "queue.rate_out": rateOut,
        ...this.#cpu(now - delayMs),
      },
    };
  }

  #slowest(latest: Look, long: Look): number | undefined {
    const rates = [...latest.members].flatMap(([id, { handled, busyMs }]) => {
      const before = long.members.get(id) ?? { handled: 0, busyMs: 0 };
      const busy = busyMs - before.busyMs;
      if (busy < 10_000) return [];
      const rate = ((handled - before.handled) * 1_000) / busy;
      return [rate * Math.max(0.5, 1 + this.#service.readingsError * this.#random.normal())];
    });
    return rates.length === 0 ? undefined : Math.min(...rates);
  }

  #cpu(now: number): Record<string, number> {
    const latest = this.#at(Math.floor(now / CPU_MS) * CPU_MS);
    const before = this.#before(latest, CPU_MS);
    if (latest === undefined || before === undefined) return {};
    const readyMs = latest.readyMs - before.readyMs;
    if (readyMs === 0) return {};
    return { "cpu.avg_pct": (100 * (latest.busyMs - before.busyMs)) / readyMs };
  }

  #at(time: number): Look | undefined {
    return this.#looks.findLast(({ at }) => at <= time);
  }

  /** The look so long before another; as long as there have been looks. */
  #before(look: Look | undefined, ms: number): Look | undefined {
    if (look === undefined) return undefined;
    const earlier = this.#at(look.at - ms) ?? this.#looks[0];
    return earlier === look ? undefined : earlier;
  }
}

function sum(values: readonly number[]): number {
  return values.reduce((total, value) => total + value, 0);
}
