/** A service without a queue, which is scaled by how busy its processes are. */
import { readFileSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { expect, test } from "vitest";
import { Docktor, processesWith, temporaryFolder } from "../support/cli.ts";
import { eventually } from "../support/group.ts";

interface Logged {
  decision: string;
  current_replicas: number;
  target_replicas: number;
  observations: Record<string, number>;
  reason: string;
}

test("docktor-Go's defect: cpu.avg_pct is read of real processes, and its rules are followed", async () => {
  const folder = temporaryFolder();
  const file = join(folder, "docktor.yaml");
  // The last argument tells its processes from others on this machine.
  const busy = [process.execPath, "-e", "for (;;);", folder];
  const service = {
    name: "busy",
    min_replicas: 1,
    max_replicas: 2,
    check_interval: "500ms",
    metrics_window: "1s",
    rules: { scale_up_when: [{ metric: "cpu.avg_pct", op: ">", value: 5 }], scale_down_when: [] },
    target: { driver: "process", command: busy },
  };
  writeFileSync(file, JSON.stringify({ services: [service] }));
  const log = join(folder, "decisions.jsonl");
  const scaler = new Docktor(["scale-watch", `--config=${file}`, `--decision-log=${log}`], {
    env: { XDG_STATE_HOME: folder },
  });
  const grown = (): Logged | undefined =>
    readFileSync(log, "utf8")
      .split("\n")
      .filter((line) => line !== "")
      .map((line) => JSON.parse(line) as Logged)
      .find((entry) => entry.decision === "scale_up" && entry.current_replicas === 1);
  await scaler.says("scale up 1→2", 20_000);
  await eventually("it is logged", () => grown() !== undefined);
  expect(grown()).toMatchObject({ decision: "scale_up", target_replicas: 2 });
  expect(grown()?.reason).toContain("cpu.avg_pct > 5");
  expect(grown()?.observations["cpu.avg_pct"]).toBeGreaterThan(5);
  await eventually("both run", () => processesWith(`for (;;); ${folder}`).length === 2);
  scaler.kill("SIGTERM");
  expect((await scaler.ended).code).toBe(0);
  expect(processesWith(`for (;;); ${folder}`)).toEqual([]);
});
