/** The page that compares scaling policies, with the results in it. */
import { SERVICE } from "../../src/scaler/simulator/service.ts";
import { WORKLOADS } from "../../src/scaler/simulator/workloads.ts";
import { inWords } from "./estimate.ts";
import { best, FAMILIES, GATE, type Setting } from "./grid.ts";
import { ALL, EVEN, type Means, type Outcome } from "./measure.ts";
import type { Grid, Results } from "./results.ts";
import { table } from "./table.ts";

/** As Markdown. */
export function page(results: Results): string {
  const { seeds, tuningSeeds, variantSeeds, policies, even, variants, grids } = results;
  const startUps = Object.values(policies)[0]?.map(({ startUpS }) => startUpS) ?? [];
  const gate = startUps.map((s) => `${GATE[s]} % with a start-up of ${s} s`).join(" and ");
  const { partitions, keys, perReplica, minReplicas, maxReplicas } = SERVICE;
  const uneven = ALL.filter((name) => !EVEN.includes(name)).map((name) => `\`${name}\``);
  const parts = [
    "# The scaling policy, compared",
    "Made by `make bench-scaling` from [bench/results/scaling.json](../bench/results/scaling.json). `docktor simulate` runs single simulations; [decision 010](decisions/010-scaling-policy.md) says what the policy is and how it was found.",
    "Each policy decides in a simulation, where all meet the same messages and scale the same kind of group. docktor decides with the code that runs in production.",
    startUps.map((s) => `- ${inShort(results, s)}`).join("\n"),
    "![Cost and lateness of all settings](scaling-policy.svg)",
    "Left and low is good. Each point is a setting, the large ones those in the tables, and the line runs along the best of a kind. Dashed is what docktor has to keep within: a unit test fails beyond it.",
    "## Results",
    `${ALL.length} workloads, each counting the same, on ${seeds} seeds; ± is the 95 % confidence interval. *Too late*: the part of the time in which some message had waited for more than ${SERVICE.sloMs / 1_000} s. *Replicas*: replica-hours per hour, from each replica's start to its end. *Reversal*: an action in the other direction than the one before. *Move*: a partition that changes its owner. *Longest*: how long a message waited at most, on average over the seeds.`,
    ...startUps.flatMap((s) => [`### Replicas that start in ${s} s`, resultTable(results, s)]),
    "### By workload",
    "Too late, in per cent; replicas.",
    ...startUps.flatMap((s) => [`Start-up ${s} s:`, workloadTable(results, s)]),
    `Where \`fixed\` is late, more replicas are no help: ${maxReplicas} of them need longer than the SLO for 12,000 messages, the hot partition gets more than one can do for a minute, and what a crash leaves waits until the others know of it.`,
    "### Where all partitions and replicas are alike",
    `Without ${uneven.join(" and ")}, and rivals tuned anew for what is left. Too late, in per cent; replicas.`,
    settingsTable(Object.entries(even), startUps),
    "### Services other than the one that policies are set for",
    `The settings of the first tables, where one thing is different, on ${variantSeeds} of the ${seeds} seeds. Too late, in per cent; replicas.`,
    ...startUps.flatMap((s) => [`Start-up ${s} s:`, variantTable(variants, policies, s)]),
    "## How it is simulated",
    `A group with ${partitions} partitions, ${keys.toLocaleString("en-US")} keys spread by docktor's hash, ${minReplicas} to ${maxReplicas} replicas of ${perReplica} msg/s each. Messages come in one by one, at random around the workload's rate, and wait in their partition, first in, first out. A replica shares its time among its partitions. docktor's own assignment decides who owns what; a partition that moves is not worked on for ${SERVICE.handOverMs / 1_000} s, after a crash ${SERVICE.failOverMs / 1_000} s, and all others go on. Replicas take their start-up time, a fifth more or less. Readings are ${SERVICE.readingsDelayMs / 1_000} s old, with an error of ${100 * SERVICE.readingsError} % in the rates of replicas; in an outage there are none. A message counts as backlog until ${SERVICE.ackMs} ms after it was handled.`,
    table(
      ["Workload", "What comes in"],
      ALL.map((name) => [`\`${name}\``, WORKLOADS[name].about]),
    ),
    "## How rivals are set",
    `Rivals are tuned for these workloads: of the settings that are late for at most ${gate}, the one with the fewest replicas, and if there is none, the one that is late for the least time. docktor has its defaults. Rivals were tuned on ${tuningSeeds} seeds, docktor's policy on some of the same; the results above are from others. All have the same minimum and maximum, and the same fallback where they know the like.`,
    table(
      ["Policy", "Settings"],
      Object.entries(policies).map(([name, [first]]) => [`\`${name}\``, first?.settings ?? ""]),
    ),
    "- `keda` at its best counts so few messages that they are no backlog but those being handled: as many replicas as messages are under way. That rests on how long a message is under way: see what other times to an ack do to it, above.\n- `keda-10` has KEDA's default lag, `keda-aws` what AWS advises for queues: the SLO divided by the time for a message. A service that keeps up has no such backlog, so it shrinks until there is one, grows, and begins anew.\n- `hpa-cpu` and `flink` know nothing of a hot partition or a slow replica. Set so that these keep up, they have replicas idle for most of the time.\n- `docktor-go` has the rules of docktor's predecessor, those of its example for NATS.",
    `<details>\n<summary>All settings that were tried, on the ${tuningSeeds} seeds for tuning</summary>`,
    `Too late, in per cent; replicas. In bold what was taken, for all workloads and for those without ${uneven.join(" and ")} (*even*).`,
    ...grids.map((grid) => gridTable(grid, startUps)),
    "</details>",
    "## What it cannot tell",
    "- **It is a model, written by docktor's authors,** who chose the workloads, the SLO and what counts. Rivals are short rewrites of their algorithms, checked against their sources, and not the programs themselves.\n- Handlers take the same time for every message, and a replica is as fast beside 15 others as alone: no common database slows down as they grow. docktor notices when a growth gains nothing; that is not in here.\n- Rivals scale docktor's group, with its cheap hand-overs. A Kafka group that stops for each rebalance, or a Flink job that restarts, would pay more for each action.\n- A replica's processor is as busy as the replica. Of handlers that wait for something else, an HPA on CPU would see less.\n- Flink's autoscaler runs with windows as short as docktor's, and never restarts a job; nothing is said about its defaults, which are for other jobs.\n- A new replica always finds room and always starts.\n- The tuned settings fit these rates and this SLO. Other services have other best settings: for rivals somebody has to find them, and docktor's defaults may not be the best there either.",
  ];
  return `${parts.join("\n\n")}\n`;
}

/** The outcomes with this start-up time, by the names of their policies. */
function named({ policies }: Results, startUpS: number): readonly [string, Outcome][] {
  return Object.entries(policies).flatMap(([name, outcomes]) =>
    at(outcomes, startUpS).map((outcome): [string, Outcome] => [name, outcome]),
  );
}

/** docktor beside the rival that costs the least, of those that keep within the gate; and those that are less late. */
function inShort(results: Results, startUpS: number): string {
  const all = named(results, startUpS);
  const [, ours] = all.find(([name]) => name === "docktor") ?? [];
  if (ours === undefined) return "";
  const rivals = all.filter(([name]) => name !== "docktor");
  const within = rivals.filter(([, rival]) => rival.all.overSlo.mean <= (GATE[startUpS] ?? 0));
  const cheapest = within
    .toSorted(([, a], [, b]) => a.all.replicas.mean - b.all.replicas.mean)
    .slice(0, 1);
  const better = rivals.filter(([, rival]) => rival.all.overSlo.mean < ours.all.overSlo.mean);
  const figures = ({ all: { overSlo, replicas, reversals } }: Outcome): string =>
    `${overSlo.mean.toFixed(2)} % too late, ${replicas.mean.toFixed(1)} replicas, ${reversals.mean.toFixed(1)} reversals an hour`;
  const list = (some: readonly [string, Outcome][]): string =>
    some.map(([name, outcome]) => `\`${name}\` (${figures(outcome)})`).join(", ") || "none";
  return `With replicas that start in ${startUpS} s, docktor: ${figures(ours)}. The cheapest rival within the limits: ${list(cheapest)}. Less late than docktor: ${list(better)}.`;
}

function resultTable(results: Results, startUpS: number): string {
  return table(
    ["Policy", "Too late, %", "Replicas", "Actions/h", "Reversals/h", "Moves/h", "Longest, s"],
    named(results, startUpS).map(([name, { all }]) => [
      `\`${name}\``,
      inWords(all.overSlo, 2),
      inWords(all.replicas, 2),
      inWords(all.actions, 1),
      inWords(all.reversals, 1),
      inWords(all.moves, 0),
      inWords(all.maxAge, 0),
    ]),
  );
}

function workloadTable(results: Results, startUpS: number): string {
  const all = named(results, startUpS);
  return table(
    ["", ...all.map(([name]) => `\`${name}\``)],
    ALL.map((workload) => [
      `\`${workload}\``,
      ...all.map(([, { workloads }]) => short(workloads[workload])),
    ]),
  );
}

function variantTable(
  variants: Results["variants"],
  policies: Results["policies"],
  startUpS: number,
): string {
  const tried = Object.keys(Object.values(variants)[0] ?? {});
  const asAbove = tried.flatMap((name) =>
    at(policies[name] ?? [], startUpS).map(({ all: { overSlo, replicas } }) =>
      short({ overSlo: overSlo.mean, replicas: replicas.mean }),
    ),
  );
  return table(
    ["", ...tried.map((name) => `\`${name}\``)],
    [
      ["as above", ...asAbove],
      ...Object.entries(variants).map(([different, settings]) => [
        different,
        ...tried.flatMap((name) => at(settings[name] ?? [], startUpS).map((each) => short(each))),
      ]),
    ],
  );
}

/** Each kind with its setting, one column a start-up time. */
function settingsTable(
  settings: readonly [string, Setting][],
  startUps: readonly number[],
): string {
  return table(
    ["", "set as", ...startUps.map((s) => `start-up ${s} s`)],
    settings.map(([name, setting]) => [
      name,
      setting[0]?.policy ?? "",
      ...startUps.flatMap((s) => at(setting, s).map((each) => short(each))),
    ]),
  );
}

function gridTable({ family, settings, even }: Grid, startUps: readonly number[]): string {
  const tried = FAMILIES.find(({ name }) => name === family)?.tried ?? "";
  const taken = family === "docktor" ? [] : [best(settings), best(even)];
  const cells = (setting: Setting | undefined): string[] =>
    (setting ?? []).map((each) =>
      setting !== undefined && taken.includes(setting) ? `**${short(each)}**` : short(each),
    );
  const rows = table(
    [
      family,
      ...startUps.map((s) => `start-up ${s} s`),
      ...startUps.map((s) => `even, start-up ${s} s`),
    ],
    settings.map((setting, i) => [setting[0]?.policy ?? "", ...cells(setting), ...cells(even[i])]),
  );
  return `${family}: ${tried}.\n\n${rows}`;
}

function short(of: Means | undefined): string {
  return of === undefined ? "" : `${of.overSlo.toFixed(2)}; ${of.replicas.toFixed(1)}`;
}

function at<T extends { startUpS: number }>(all: readonly T[], startUpS: number): readonly T[] {
  return all.filter((each) => each.startUpS === startUpS);
}
