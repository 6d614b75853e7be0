/** A process that carries one side out: gets ready, starts when it is told to, and tells what it measured. */
import * as bullmq from "../peers/bullmq.ts";
import * as rabbitmq from "../peers/rabbitmq.ts";
import * as consumeSides from "./consume-sides.ts";
import { type Figures, Meter, type Stretch } from "./meter.ts";
import * as publishSides from "./publish-sides.ts";
import type { Setting, Side } from "./side.ts";

/** The sides by what they do and by name. */
const SIDES: Readonly<Record<"publish" | "consume", Readonly<Record<string, Side>>>> = {
  publish: { ...publishSides, bullmq: bullmq.publish, rabbitmq: rabbitmq.publish },
  consume: { ...consumeSides, bullmq: bullmq.consume, rabbitmq: rabbitmq.consume },
};

/** What the process is given. */
export interface Order {
  readonly kind: "publish" | "consume";
  readonly side: string;
  readonly setting: Setting;
  readonly stretch: Stretch;
}

/** What it tells. */
export type Told = { readonly type: "ready" } | ({ readonly type: "figures" } & Figures);

if (process.send !== undefined) {
  const { kind, side, setting, stretch } = JSON.parse(process.argv[2] ?? "") as Order;
  const meter = new Meter();
  const ready = await SIDES[kind][side]?.(setting, meter);
  if (ready === undefined) throw new Error(`there is no side ${kind} ${side}`);
  process.send({ type: "ready" } satisfies Told);
  await new Promise((resolve) => process.once("message", resolve));
  ready.start();
  const figures = await meter.measure(stretch);
  process.send({ type: "figures", ...figures } satisfies Told);
  await new Promise((resolve) => process.once("message", resolve));
  await ready.stop();
  process.disconnect();
}
