/** What is compared with what. */
import type { Comparison, Contender } from "./compare.ts";
import type { Load } from "./stage.ts";

const LOAD: Load = { partitions: 16, payload: 128, keys: true, storage: "file" };

/** One process each, named by what they do. */
function contenders(load: Partial<Load>, ...sides: readonly string[]): Contender[] {
  return sides.map((side) => ({ name: side, side, load: { ...LOAD, ...load }, members: 1 }));
}

const publish = (load: Partial<Load> = {}): Comparison => ({
  kind: "publish",
  contenders: contenders(
    load,
    "idiomatic",
    "tuned",
    "tunedWithIds",
    "unacknowledged",
    "publish",
    "publishMany",
  ),
});

const consume = (load: Partial<Load> = {}): Comparison => ({
  kind: "consume",
  contenders: contenders(
    load,
    "idiomatic",
    "tuned",
    "unacknowledged",
    "eachMessage",
    "eachMessageSync",
    "eachBatch",
  ),
});

/** Docktor alone, with something else each time. */
const batches = (...variants: readonly Partial<Contender>[]): Comparison => ({
  kind: "consume",
  contenders: variants.map((variant) => ({
    name: "",
    side: "eachBatch",
    load: LOAD,
    members: 1,
    ...variant,
  })),
});

/** Docktor, and the client by itself with the same consumers. */
const withPartitions = (partitions: number): Partial<Contender>[] => {
  const load = { ...LOAD, partitions };
  return [
    { name: `${partitions} partitions`, load },
    { name: `${partitions} consumers, by themselves`, side: "partitioned", load },
  ];
};

/** By name; the first two are the ones that figures are promised of. */
export const COMPARISONS: Readonly<Record<string, Comparison>> = {
  publish: publish(),
  consume: consume(),
  "publish, no keys": publish({ keys: false }),
  "consume, no keys": consume({ keys: false }),
  "publish, 1 KiB": publish({ payload: 1_024 }),
  "consume, 1 KiB": consume({ payload: 1_024 }),
  "publish, 16 KiB": publish({ payload: 16_384 }),
  "consume, 16 KiB": consume({ payload: 16_384 }),
  "publish, memory": publish({ storage: "memory" }),
  "consume, memory": consume({ storage: "memory" }),
  partitions: batches(...[16, 1, 128, 1_024].flatMap(withPartitions)),
  members: batches({ name: "1 member" }, { name: "2 members", members: 2 }),
};
