/** A process that publishes at a pace, or that notes how late messages arrive. */
import {
  docktor,
  lateness,
  type LatencySide,
  producer,
  publishPaced,
  raw,
} from "./latency-sides.ts";
import type { Setting } from "./side.ts";

const SIDES: Readonly<Record<string, LatencySide>> = { raw, docktor };

/** What the process is given. */
export interface LatencyOrder {
  readonly side: string;
  readonly role: "publisher" | "consumer";
  readonly setting: Setting;
  readonly rate: number;
  readonly warmUpMs: number;
  readonly ms: number;
}

/** How late messages were, in milliseconds. */
export interface Lateness {
  readonly messages: number;
  readonly p50: number;
  readonly p99: number;
  readonly p999: number;
  readonly max: number;
}

const { side, role, setting, rate, warmUpMs, ms } = JSON.parse(
  process.argv[2] ?? "",
) as LatencyOrder;
const chosen = SIDES[side] ?? raw;
const told = (): Promise<unknown> => new Promise((resolve) => process.once("message", resolve));

if (role === "publisher") {
  const send = await producer(setting);
  process.send?.("ready");
  await told();
  await publishPaced(send, rate, setting.payload, warmUpMs + ms);
  process.send?.("published");
} else {
  const { histogram, onData } = lateness();
  await chosen(setting, onData);
  process.send?.("ready");
  await told();
  setTimeout(() => histogram.reset(), warmUpMs);
  await told();
  const at = (percent: number): number => histogram.percentile(percent) / 1_000;
  process.send?.({
    messages: histogram.count,
    p50: at(50),
    p99: at(99),
    p999: at(99.9),
    max: histogram.max / 1_000,
  } satisfies Lateness);
}
await told();
process.exit();
