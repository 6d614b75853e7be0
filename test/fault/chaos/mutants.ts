/**
 * Rules of the protocol, broken on purpose in a member under test, to see that the judge finds out. It
 * reaches into the package from outside: nothing in the package itself can be switched off.
 */
import { Kvm } from "@nats-io/kv";
import type { Clock } from "../../../src/clock.ts";
import { Progress, type Sequenced } from "../../../src/consumer/progress.ts";
import { Session } from "../../../src/lease/session.ts";

/**
 * - `no-fencing`: checkpoints are written without a compare-and-set
 * - `no-self-fencing`: a session is trusted for ever
 * - `no-contiguity`: a commit covers whatever was handled last
 */
export type Mutant = "no-fencing" | "no-self-fencing" | "no-contiguity";

export const MUTANTS: readonly Mutant[] = ["no-fencing", "no-self-fencing", "no-contiguity"];

/** Breaks the rule in this process. */
export function breakRule(mutant: Mutant): void {
  if (mutant === "no-fencing") writeBlindly();
  if (mutant === "no-self-fencing") trustForEver();
  if (mutant === "no-contiguity") commitTheLatest();
}

function writeBlindly(): void {
  const create = Reflect.get(Kvm.prototype, "create") as Kvm["create"];
  Kvm.prototype.create = async function (...args) {
    const kv = await create.apply(this, args);
    const update = kv.update.bind(kv);
    kv.update = async (key, data, version, timeout) =>
      key.startsWith("checkpoint.")
        ? await kv.put(key, data)
        : await update(key, data, version, timeout);
    return kv;
  };
}

/** The session's clock stands still, so that no deadline is ever reached. */
function trustForEver(): void {
  const open = Session.open.bind(Session);
  Session.open = async (options) => {
    const stopped: Clock = {
      now: () => 0,
      sleep: (ms, signal) => options.clock.sleep(ms, signal),
    };
    return await open({ ...options, clock: stopped });
  };
}

function commitTheLatest(): void {
  type Started = (item: Sequenced) => void;
  const start = Reflect.get(Progress.prototype, "start") as Started;
  const finish = Reflect.get(Progress.prototype, "finish") as (sequence: number) => void;
  const started = new WeakMap<Progress<Sequenced>, number[]>();
  Progress.prototype.start = function (item): void {
    started.set(this, [...(started.get(this) ?? []), item.sequence]);
    start.call(this, item);
  };
  Progress.prototype.finish = function (sequence): void {
    // What was started before it counts as finished, too.
    const earlier = (started.get(this) ?? []).filter((other) => other <= sequence);
    for (const each of earlier) finish.call(this, each);
    started.set(
      this,
      (started.get(this) ?? []).filter((other) => other > sequence),
    );
  };
}
