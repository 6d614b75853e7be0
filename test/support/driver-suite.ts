/** What every driver must do; run over processes, containers, Swarm tasks and pods. */
import { describe, expect, test } from "vitest";
import type { Driver, Replica } from "../../src/scaler/drivers/driver.ts";
import { eventually } from "./group.ts";
import type { Behaviour, Event } from "./replica-program.ts";

/** What differs between drivers. */
export interface DriverRules {
  readonly choosesVictim: boolean;
  /** Whether replicas stay when the driver is closed. */
  readonly staysWhenClosed: boolean;
  /** Whether it tells what a replica said before it ended. */
  readonly tellsLastWords: boolean;
}

/** A platform to test a driver on. */
export interface DriverRig {
  /** A driver for a service of its own, whose replicas behave so; closed and cleared away after the test. */
  open(behaviour: Behaviour): Promise<Driver>;
  /** How many of the service's replicas have told so. */
  told(event: Event): number;
  /** What runs beside the service and must be left alone. */
  neighbours(): Promise<readonly string[]>;
  /** A driver for a target that is not there. */
  openMissing(): Promise<Driver>;
}

const GRACE_MS = 10_000;
const { signal } = new AbortController();
const unavailable = expect.objectContaining({ code: "TARGET_UNAVAILABLE" });

const ids = (replicas: readonly Replica[]): string[] => replicas.map(({ id }) => id).sort();

/** Those that have not been asked to stop. */
async function staying(driver: Driver): Promise<readonly Replica[]> {
  return (await driver.current(signal)).filter(({ state }) => state !== "stopping");
}

/** One after the other: the platform may have taken another one than it was told. */
async function removeAll(driver: Driver): Promise<void> {
  for (;;) {
    const [next] = await staying(driver);
    if (next === undefined) return;
    await driver.remove(next, GRACE_MS, signal);
  }
}

/** Defines the tests; each opens a rig of its own. */
export function driverSuite(title: string, rules: DriverRules, openRig: () => DriverRig): void {
  /** A driver whose service has so many replicas more than at first, all at work. */
  async function grown(
    rig: DriverRig,
    count: number,
    behaviour: Behaviour = "polite",
  ): Promise<{ driver: Driver; replicas: readonly Replica[] }> {
    const driver = await rig.open(behaviour);
    await driver.check(signal);
    const total = (await driver.current(signal)).length + count;
    await driver.grow(count, signal);
    await eventually(`${total} replicas are at work`, async () => {
      const replicas = await driver.current(signal);
      const up = replicas.filter(({ state }) => state === "running");
      return up.length === total && replicas.length === total && rig.told("started") === total;
    });
    return { driver, replicas: await driver.current(signal) };
  }

  describe(title, () => {
    test("grows by as many as it is told, each with an id and a name of its own", async () => {
      const { replicas } = await grown(openRig(), 3);
      expect(new Set(ids(replicas)).size).toBe(replicas.length);
      expect(new Set(replicas.map(({ name }) => name)).size).toBe(replicas.length);
    });

    test("grows by both when it is told twice at once", async () => {
      const { driver, replicas } = await grown(openRig(), 1);
      await Promise.all([driver.grow(1, signal), driver.grow(2, signal)]);
      await eventually("all are there", async () => {
        return (await driver.current(signal)).length === replicas.length + 3;
      });
      const names = (await driver.current(signal)).map(({ name }) => name);
      expect(new Set(names).size).toBe(replicas.length + 3);
    });

    test("does nothing when it is told to grow by none", async () => {
      const { driver, replicas } = await grown(openRig(), 1);
      await driver.grow(0, signal);
      expect(ids(await driver.current(signal))).toEqual(ids(replicas));
    });

    test("removes one gently, and is done when it is gone; the others stay", async () => {
      const rig = openRig();
      const { driver, replicas } = await grown(rig, 2);
      const victim = replicas[1] as Replica;
      await driver.remove(victim, GRACE_MS, signal);
      expect(rig.told("finished")).toBe(1);
      const left = ids(await driver.current(signal));
      expect(left).toHaveLength(replicas.length - 1);
      expect(ids(replicas)).toEqual(expect.arrayContaining(left));
      if (rules.choosesVictim) expect(left).not.toContain(victim.id);
    });

    const testIf = rules.choosesVictim ? test : () => {};
    testIf("removes one only, when it is told so three times", async () => {
      const { driver, replicas } = await grown(openRig(), 2);
      const victim = replicas[0] as Replica;
      await Promise.all([
        driver.remove(victim, GRACE_MS, signal),
        driver.remove(victim, GRACE_MS, signal),
      ]);
      await driver.remove(victim, GRACE_MS, signal);
      const others = replicas.filter(({ id }) => id !== victim.id);
      expect(ids(await driver.current(signal))).toEqual(ids(others));
    });

    test("says which one is on its way out", async () => {
      const { driver, replicas } = await grown(openRig(), 2, "deaf");
      const removed = driver.remove(replicas[0] as Replica, 1_500, signal);
      await eventually("one is stopping", async () => {
        return (await driver.current(signal)).some(({ state }) => state === "stopping");
      });
      await removed;
      expect(await driver.current(signal)).toHaveLength(replicas.length - 1);
    });

    test("kills one that does not end in its time", async () => {
      const rig = openRig();
      const { driver, replicas } = await grown(rig, 1, "deaf");
      await driver.remove(replicas[0] as Replica, 1_000, signal);
      expect(rig.told("asked")).toBe(1);
      expect(rig.told("finished")).toBe(0);
      expect(await staying(driver)).toHaveLength(replicas.length - 1);
    });

    test("tells why one keeps ending by itself", async () => {
      const driver = await openRig().open("crashing");
      await driver.grow(1, signal);
      const words = rules.tellsLastWords ? "exit code 3: there is no such stream" : "exit code 3";
      await eventually("one is failed", async () => {
        const replicas = await driver.current(signal);
        return replicas.some(({ state, why }) => state === "failed" && why?.includes(words));
      });
    });

    test("leaves alone what is not its service's", async () => {
      const rig = openRig();
      const before = await rig.neighbours();
      const { driver, replicas } = await grown(rig, 1);
      for (const neighbour of before) expect(ids(replicas)).not.toContain(neighbour);
      await removeAll(driver);
      expect(await rig.neighbours()).toEqual(before);
    });

    test("grows again from none", async () => {
      const { driver } = await grown(openRig(), 1);
      await removeAll(driver);
      expect(await driver.current(signal)).toEqual([]);
      await driver.grow(2, signal);
      await eventually("two run", async () => {
        const states = (await driver.current(signal)).map(({ state }) => state);
        return states.length === 2 && states.every((state) => state === "running");
      });
    });

    test("tells the share of a core that each uses", async () => {
      const { driver } = await grown(openRig(), 1);
      await eventually("all are known", async () => {
        const shares = (await driver.current(signal)).map(({ cpuPercent }) => cpuPercent ?? -1);
        return shares.length > 0 && shares.every((share) => share >= 0 && share < 1_000);
      });
    });

    test("says what to do when the target is not there", async () => {
      const driver = await openRig().openMissing();
      await expect(driver.check(signal)).rejects.toEqual(unavailable);
      await expect(driver.grow(1, signal)).rejects.toEqual(unavailable);
    });

    test("does nothing for a caller who has given up already", async () => {
      const { driver, replicas } = await grown(openRig(), 1);
      const gone = AbortSignal.abort("given up");
      const victim = replicas[0] as Replica;
      await expect(driver.current(gone)).rejects.toBe("given up");
      await expect(driver.check(gone)).rejects.toBe("given up");
      await expect(driver.grow(1, gone)).rejects.toBe("given up");
      await expect(driver.remove(victim, GRACE_MS, gone)).rejects.toBe("given up");
      expect(ids(await driver.current(signal))).toEqual(ids(replicas));
    });

    test("goes on stopping when nobody waits for it any longer", async () => {
      const rig = openRig();
      const { driver, replicas } = await grown(rig, 1);
      const waiting = new AbortController();
      const removed = driver.remove(replicas[0] as Replica, GRACE_MS, waiting.signal);
      await eventually("it is asked to end", () => rig.told("asked") === 1);
      waiting.abort("no patience");
      // Too late, perhaps: it may be gone by now.
      await removed.catch((error: unknown) => expect(error).toBe("no patience"));
      await eventually("it is gone", async () => {
        return (await driver.current(signal)).length === replicas.length - 1;
      });
    });

    test("may be closed twice, and keeps its replicas only if they are not its own", async () => {
      const rig = openRig();
      const { driver, replicas } = await grown(rig, 1);
      await Promise.all([driver.close(), driver.close()]);
      await driver.close();
      expect(rig.told("finished")).toBe(rules.staysWhenClosed ? 0 : replicas.length);
    });
  });
}
