/** The process driver with real processes: the suite for every driver, and what is its own. */
import { spawn } from "node:child_process";
import { once } from "node:events";
import { mkdtempSync, readdirSync, readFileSync, rmSync, statSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { afterEach, describe, expect, test } from "vitest";
import { ProcessDriver } from "../../src/scaler/drivers/process.ts";
import { driverSuite } from "../support/driver-suite.ts";
import { closeAfterTest, eventually } from "../support/group.ts";
import { type Behaviour, PROGRAM, readJournal } from "../support/replica-program.ts";

const { signal } = new AbortController();

let folders: string[] = [];

afterEach(() => {
  for (const folder of folders) rmSync(folder, { recursive: true, force: true });
  folders = [];
});

function newFolder(): string {
  const folder = mkdtempSync(join(tmpdir(), "docktor-test-"));
  folders.push(folder);
  return folder;
}

/** A driver whose replicas run the program, with its journal. */
function open(
  behaviour: Behaviour,
  { service = "consumer", command = [process.execPath, "-e", PROGRAM], graceMs = 5_000 } = {},
): { driver: ProcessDriver; journal: string; logs: string } {
  const [journal, logs] = [newFolder(), newFolder()];
  const env = { JOURNAL: journal, BEHAVIOUR: behaviour, NATS_PASSWORD: "hunter2" };
  const driver = new ProcessDriver({ service, command, env, logFolder: logs, graceMs });
  closeAfterTest(() => driver.close());
  return { driver, journal, logs };
}

const told = (journal: string, event: string): number =>
  readJournal(journal).filter((entry) => entry.event === event).length;

const rules = { choosesVictim: true, staysWhenClosed: false, tellsLastWords: true };

driverSuite("the process driver", rules, () => {
  let journal: string | undefined;
  const neighbour = open("polite", { service: "other" });
  return {
    open: async (behaviour) => {
      const opened = open(behaviour);
      journal = opened.journal;
      return opened.driver;
    },
    told: (event) => (journal === undefined ? 0 : told(journal, event)),
    neighbours: async () => {
      if ((await neighbour.driver.current(signal)).length === 0) {
        await neighbour.driver.grow(1, signal);
        await eventually("it runs", () => told(neighbour.journal, "started") === 1);
      }
      return (await neighbour.driver.current(signal)).map(({ id }) => id);
    },
    openMissing: async () => open("polite", { command: ["no-such-program-anywhere"] }).driver,
  };
});

describe("a replica that is a process", () => {
  test("is a member of the name that the driver tells, also after it was started again", async () => {
    const { driver, journal } = open("crashing");
    await driver.grow(1, signal);
    await eventually("it was started three times", () => told(journal, "started") === 3);
    const [replica] = await driver.current(signal);
    expect(replica?.memberId).toMatch(/^consumer-1-[0-9a-f]{6}$/);
    expect(new Set(readJournal(journal).map(({ memberId }) => memberId))).toEqual(
      new Set([replica?.memberId]),
    );
  });

  test("has the lowest number that is free", async () => {
    const { driver } = open("polite");
    await driver.grow(3, signal);
    const second = (await driver.current(signal)).find(({ name }) => name === "consumer-2");
    if (second !== undefined) await driver.remove(second, 5_000, signal);
    await driver.grow(2, signal);
    const names = (await driver.current(signal)).map(({ name }) => name);
    expect(names.sort()).toEqual(["consumer-1", "consumer-2", "consumer-3", "consumer-4"]);
  });

  test("has its output in a log of its own, which only its user may read, and no secret in it", async () => {
    const { driver, logs } = open("polite");
    await driver.grow(2, signal);
    const log = join(logs, "consumer-2.log");
    await eventually("it has said something", () => statSync(log).size > 0);
    expect(readdirSync(logs).sort()).toEqual(["consumer-1.log", "consumer-2.log"]);
    expect(readFileSync(log, "utf8")).toBe("at work\n");
    expect(statSync(log).mode & 0o777).toBe(0o600);
  });

  test("appends to the log of the one that had its number before", async () => {
    const { driver, logs } = open("polite");
    for (let i = 1; i <= 2; i++) {
      await driver.grow(1, signal);
      const log = join(logs, "consumer-1.log");
      await eventually("it has said something", () => {
        return readFileSync(log, "utf8") === "at work\n".repeat(i);
      });
      const [replica] = await driver.current(signal);
      if (replica !== undefined) await driver.remove(replica, 5_000, signal);
    }
  });

  test("is stopped gently behind a shell, too, which is gone at once", async () => {
    const script = `"${process.execPath}" -e "$0"; echo done`;
    const { driver, journal } = open("polite", { command: ["sh", "-c", script, PROGRAM] });
    await driver.grow(1, signal);
    await eventually("it runs", () => told(journal, "started") === 1);
    const [replica] = await driver.current(signal);
    if (replica !== undefined) await driver.remove(replica, 5_000, signal);
    expect(readJournal(journal).map(({ event }) => event)).toEqual([
      "started",
      "asked",
      "finished",
    ]);
  });

  test("is not started again once it was told to stop, not even one that waits for its next start", async () => {
    const { driver, journal } = open("crashing");
    await driver.grow(1, signal);
    await eventually("it is failed", async () => {
      return (await driver.current(signal)).some(({ state }) => state === "failed");
    });
    const [replica] = await driver.current(signal);
    if (replica !== undefined) await driver.remove(replica, 5_000, signal);
    const before = told(journal, "started");
    expect(await driver.current(signal)).toEqual([]);
    await driver.close();
    expect(told(journal, "started")).toBe(before);
  });

  test("is failed, and tells why, when there is no such file to run", async () => {
    const { driver } = open("polite", { command: ["sh", "/no/such/script"] });
    await driver.grow(1, signal);
    await eventually("it is failed", async () => {
      const [replica] = await driver.current(signal);
      return (
        replica?.state === "failed" && /exit code \d+: .*no\/such\/script/.test(replica.why ?? "")
      );
    });
  });
});

// Where there is no /proc, nobody can be sure that nothing is left.
describe.runIf(process.platform === "linux")(
  "when the process that owns the driver is killed",
  () => {
    /** Starts an owner that grows by so many; returns how to kill it as the system would. */
    function startOwner(
      behaviour: Behaviour,
      count: number,
    ): { journal: string; kill: () => Promise<void> } {
      const journal = newFolder();
      const options = {
        service: "consumer",
        command: [process.execPath, "-e", PROGRAM],
        env: { JOURNAL: journal, BEHAVIOUR: behaviour },
        logFolder: newFolder(),
        graceMs: 1_000,
      };
      const source = new URL("../../dist/scaler/drivers/process.js", import.meta.url).href;
      const program = `
      import { ProcessDriver } from ${JSON.stringify(source)};
      const driver = new ProcessDriver(${JSON.stringify(options)});
      await driver.grow(${count}, new AbortController().signal);`;
      const owner = spawn(process.execPath, ["--input-type=module", "-e", program], {
        stdio: ["ignore", "ignore", "inherit"],
      });
      const exited = once(owner, "exit");
      const kill = async (): Promise<void> => {
        owner.kill("SIGKILL");
        await exited;
      };
      closeAfterTest(kill);
      return { journal, kill };
    }

    test("its replicas finish in good order", async () => {
      const { journal, kill } = startOwner("polite", 3);
      await eventually("they run", () => told(journal, "started") === 3);
      await kill();
      await eventually("they have finished", () => told(journal, "finished") === 3);
      await eventually("nothing is left", () => left(journal).length === 0);
    });

    test("those that do not end in their time are killed", async () => {
      const { journal, kill } = startOwner("deaf", 2);
      await eventually("they run", () => told(journal, "started") === 2);
      await kill();
      await eventually("nothing is left", () => left(journal).length === 0);
      expect(told(journal, "asked")).toBe(2);
    });

    test("none is left behind that was just being started", async () => {
      const { journal, kill } = startOwner("polite", 20);
      await eventually("the first ones run", () => told(journal, "started") > 0);
      await kill();
      await eventually("nothing is left", () => left(journal).length === 0);
    });
  },
);

/** The processes that have this journal in their environment, wherever they come from. */
function left(journal: string): string[] {
  const pids = readdirSync("/proc").filter((name) => /^\d+$/.test(name));
  return pids.filter((pid) => {
    try {
      // One that has ended, and that nobody asks how, has none any more.
      return readFileSync(`/proc/${pid}/environ`, "utf8").includes(`JOURNAL=${journal}\0`);
    } catch {
      return false;
    }
  });
}
