/** `docktor simulate`: how scaling policies would do, tried in a simulation. */
import { type Command, Option } from "commander";
import {
  type PolicyName,
  SIMULATED_POLICIES,
  SIMULATED_SERVICE,
  SIMULATED_WORKLOADS,
  simulate,
  type Simulated,
  type WorkloadName,
} from "../index.ts";
import { count, duration, table } from "./format.ts";
import { print, printJson, showProgress } from "./output.ts";
import { addSettings, wholeNumber } from "./settings.ts";

interface Flags {
  workload?: WorkloadName;
  policy?: PolicyName;
  seed: number;
  startUp: number;
  json?: true;
}

const WORKLOAD_NAMES = Object.keys(SIMULATED_WORKLOADS) as WorkloadName[];
const POLICY_NAMES = Object.keys(SIMULATED_POLICIES) as PolicyName[];

/** Adds the command to the program. */
export function addSimulate(program: Command): void {
  const command = program
    .command("simulate")
    .summary("try scaling policies on simulated traffic")
    .description(
      "Try docktor's scaling policy and its rivals on simulated traffic: hours of it in a second, the same for each of them.",
    )
    .addOption(
      new Option("--workload <name>", "traffic, see below; default: all kinds").choices(
        WORKLOAD_NAMES,
      ),
    )
    .addOption(
      new Option(
        "--policy <name>",
        `policy: ${POLICY_NAMES.join(", ")}; default: all of them`,
      ).choices(POLICY_NAMES),
    )
    .addOption(
      new Option("--seed <n>", "chance: the same seed brings the same messages")
        .default(1)
        .argParser(wholeNumber(0, Number.MAX_SAFE_INTEGER)),
    )
    .addOption(
      new Option("--start-up <s>", "seconds from a replica's start until it handles messages")
        .default(15)
        .argParser(wholeNumber(0, 3_600)),
    )
    .addHelpText(
      "after",
      `
Workloads:
${table(
  ["", ""],
  WORKLOAD_NAMES.map((name) => [`  ${name}`, SIMULATED_WORKLOADS[name].about]),
)
  .slice(1)
  .join("\n")}

Example:
  docktor simulate --workload burst --start-up 60`,
    )
    .action(run);
  addSettings(command, "json", "logLevel");
}

function run({ workload, policy, seed, startUp, json }: Flags): void {
  const workloads = workload === undefined ? WORKLOAD_NAMES : [workload];
  const policies = policy === undefined ? POLICY_NAMES : [policy];
  const all: Simulated[] = [];
  for (const each of policies) {
    for (const traffic of workloads) {
      if (!json) showProgress(`${each}, ${traffic}`);
      const service = { startUpMs: startUp * 1_000 };
      all.push(simulate({ workload: traffic, policy: each, seed, service }));
    }
  }
  showProgress("");
  if (json) printJson(all);
  else for (const line of simulationLines(all)) print(line);
}

/** What came of simulations with one seed and start-up, for people. */
function simulationLines(all: readonly Simulated[]): string[] {
  const [first] = all;
  if (first === undefined) return [];
  const { perReplica, partitions, minReplicas, maxReplicas, sloMs } = SIMULATED_SERVICE;
  const byPolicy = grouped(all, ({ policy }) => policy);
  const byWorkload = grouped(all, ({ workload }) => workload);
  // One line a workload for a single policy, else one a policy.
  const isOne = byPolicy.size === 1 && byWorkload.size > 1;
  const over = byWorkload.size > 1 ? "all workloads" : first.workload;
  const rows = [...(isOne ? byWorkload : byPolicy)].map(([name, each]) => row(name, each));
  return [
    `${isOne ? first.policy : over}, seed ${first.seed}, start-up ${duration(first.startUpMs)}`,
    `${minReplicas} to ${maxReplicas} replicas of ${perReplica} msg/s, ${partitions} partitions; no message is to wait for more than ${duration(sloMs)}`,
    "",
    ...table(
      [
        isOne ? "WORKLOAD" : "POLICY",
        "TOO LATE",
        "REPLICAS",
        "ACTIONS/H",
        "REVERSALS/H",
        "MOVES/H",
        "MAX AGE",
      ],
      rows,
      [1, 2, 3, 4, 5, 6],
    ),
  ];
}

function row(name: string, all: readonly Simulated[]): string[] {
  const mean = (of: (each: Simulated) => number): number =>
    all.reduce((sum, each) => sum + of(each), 0) / all.length;
  return [
    name,
    `${(100 * mean(({ overSlo }) => overSlo)).toFixed(2)} %`,
    mean(({ replicaHours, hours }) => replicaHours / hours).toFixed(1),
    mean(({ actions, hours }) => actions / hours).toFixed(1),
    mean(({ reversals, hours }) => reversals / hours).toFixed(1),
    count(mean(({ moves, hours }) => moves / hours)),
    duration(Math.max(...all.map(({ maxAgeMs }) => maxAgeMs))),
  ];
}

function grouped<K>(all: readonly Simulated[], key: (each: Simulated) => K): Map<K, Simulated[]> {
  const groups = new Map<K, Simulated[]>();
  for (const each of all) groups.set(key(each), [...(groups.get(key(each)) ?? []), each]);
  return groups;
}
