/** The page about the scaling policy, with the results in it. */
import { SERVICE } from "../../src/scaler/simulator/service.ts";
import { WORKLOADS } from "../../src/scaler/simulator/workloads.ts";
import { inWords } from "./estimate.ts";
import { best, GATE, type Setting } from "./grid.ts";
import { ALL, type Outcome } from "./measure.ts";
import type { Results } from "./results.ts";

/** As Markdown. */
export function page(results: Results): string {
  const { seeds, gridSeeds, policies, grids } = results;
  const named = Object.entries(policies);
  const startUps = (named[0]?.[1] ?? []).map(({ startUpS }) => startUpS);
  const { partitions, keys, perReplica, minReplicas, maxReplicas } = SERVICE;
  const parts = [
    "# The scaling policy",
    "Made by `make bench-scaling` from [bench/results/scaling.json](../bench/results/scaling.json). `docktor simulate` runs single simulations.",
    "docktor scales by rates: as many replicas as keep up with what comes in, measured by what a replica handles while it is busy, and as many more as work a backlog off in time. [Decision 010](decisions/010-scaling-policy.md) says how that was found. Here it is compared with others, in a simulation in which every policy meets the same messages and moves the same kind of group.",
    "![Cost and lateness of all settings](scaling-policy.svg)",
    "Left and low is good. Each point is a setting, the large ones those in the tables; dashed is what docktor has to keep within.",
    "## Results",
    `${ALL.length} workloads, each counting the same, with ${seeds} seeds that docktor's policy was not tuned on; ± is the 95 % confidence interval. *Too late* is the part of the time in which some message had waited for more than ${SERVICE.sloMs / 1_000} s. *Replicas* are replica-hours per hour, from each replica's start to its end. A *reversal* is an action in the other direction than the one before, a *move* a partition that changes its owner, and *longest* how long a message waited at most, on average over the seeds.`,
    ...startUps.flatMap((startUpS) => [
      `### Replicas that start in ${startUpS} s`,
      resultTable(
        named.flatMap(([name, setting]) =>
          at(setting, startUpS).map((outcome): Named => [name, outcome]),
        ),
      ),
    ]),
    "### By workload",
    "Too late, in per cent; replicas on average.",
    ...startUps.flatMap((startUpS) => [
      `Start-up ${startUpS} s:`,
      workloadTable(
        named.flatMap(([name, setting]) =>
          at(setting, startUpS).map((outcome): Named => [name, outcome]),
        ),
      ),
    ]),
    "What `fixed` is late with, nobody can help: the hot partition gets more than one replica can do. In `dump` and `steps` the messages that have come in wait for replicas to start, whatever the policy.",
    "## What is simulated",
    `A group with ${partitions} partitions, ${keys.toLocaleString("en-US")} keys spread by docktor's hash, ${minReplicas} to ${maxReplicas} replicas of ${perReplica} msg/s each. Messages come in one by one, at random around the workload's rate, and wait in their partition, first in, first out. A replica shares its time among its partitions. docktor's own assignment decides who owns what; a partition that moves is not worked on for ${SERVICE.handOverMs / 1_000} s, after a crash ${SERVICE.failOverMs / 1_000} s, and all others go on. Replicas take their start-up time, a fifth more or less. Policies see readings that are ${SERVICE.readingsDelayMs / 1_000} s old, with an error of ${100 * SERVICE.readingsError} % in the rate of a replica, and none during outages; a message is counted in the backlog until ${SERVICE.ackMs} ms after it was handled. docktor decides with the same code as in production.`,
    table(
      ["Workload", "What comes in"],
      ALL.map((name) => [`\`${name}\``, WORKLOADS[name].about]),
    ),
    "## What is not",
    "- Handlers take the same time for every message, and a replica's rate does not depend on how many there are: no common database behind them slows down as they grow.\n- Rivals scale docktor's group, with its cheap hand-overs. A Kafka group, or a Flink job that restarts, would pay more for each action.\n- HPA sees a processor that is as busy as its replica. Of handlers that wait for something else it would see less.\n- There are no limits of the platform: a new replica always finds room.\n- Flink's autoscaler runs with windows as short as docktor's, and not with its defaults, which are for jobs that must restart: 15 minutes, and 30 to catch up.\n- It is a model. What docktor does with real processes and containers is for the tests to say.",
    "## Other services",
    `The same policies with the same settings, where something is different: too late, in per cent; replicas. ${gridSeeds} seeds.`,
    ...startUps.flatMap((startUpS) => [`Start-up ${startUpS} s:`, variantTable(results, startUpS)]),
    "## How rivals are set",
    `Each was tried with the settings below, on ${gridSeeds} of the same seeds: of those that are late for at most ${Object.entries(
      GATE,
    )
      .map(([startUpS, percent]) => `${percent} % with a start-up of ${startUpS} s`)
      .join(
        " and ",
      )}, the one with the fewest replicas is taken, and if there is none, the one that is late for the least time. They are tuned in hindsight, on the traffic that they are then compared on; docktor has its defaults. All are asked for the same minimum and maximum.`,
    table(
      ["Policy", "Settings"],
      named.map(([name, setting]) => [`\`${name}\``, setting[0]?.settings ?? ""]),
    ),
    "KEDA does best with so small a lag that what it counts is no backlog, but the messages being handled at the moment: as many replicas as there are messages under way. That works, and rests on how long a message is under way, which here never changes. Its default of 10, and the number that AWS advises for queues (the SLO divided by the time for a message), wait for a backlog that a service which keeps up never has: it shrinks until there is one, grows, and begins anew.",
    ...grids.map(({ family, settings }) => gridTable(family, settings)),
  ];
  return `${parts.join("\n\n")}\n`;
}

type Named = [name: string, outcome: Outcome];

function resultTable(all: readonly Named[]): string {
  return table(
    ["Policy", "Too late, %", "Replicas", "Actions/h", "Reversals/h", "Moves/h", "Longest, s"],
    all.map(([name, { all: figures }]) => [
      `\`${name}\``,
      inWords(figures.overSlo, 2),
      inWords(figures.replicas, 2),
      inWords(figures.actions, 1),
      inWords(figures.reversals, 1),
      inWords(figures.moves, 0),
      inWords(figures.maxAge, 0),
    ]),
  );
}

function workloadTable(all: readonly Named[]): string {
  return table(
    ["", ...all.map(([name]) => `\`${name}\``)],
    ALL.map((workload) => [
      `\`${workload}\``,
      ...all.map(([, { workloads }]) => {
        const figures = workloads[workload];
        if (figures === undefined) return "";
        return `${figures.overSlo.mean.toFixed(2)}; ${figures.replicas.mean.toFixed(1)}`;
      }),
    ]),
  );
}

function variantTable({ policies, variants }: Results, startUpS: number): string {
  const tried = Object.keys(Object.values(variants)[0] ?? {});
  const row = (called: string, settings: Readonly<Record<string, Setting>>): string[] => [
    called,
    ...tried.flatMap((name) =>
      at(settings[name] ?? [], startUpS).map(
        ({ all }) => `${all.overSlo.mean.toFixed(2)}; ${all.replicas.mean.toFixed(1)}`,
      ),
    ),
  ];
  return table(
    ["", ...tried.map((name) => `\`${name}\``)],
    [
      row("as above", policies),
      ...Object.entries(variants).map(([called, settings]) => row(called, settings)),
    ],
  );
}

function gridTable(family: string, settings: readonly Setting[]): string {
  const chosen = family === "docktor" ? undefined : best(settings);
  return table(
    [
      family,
      ...(settings[0] ?? []).map(
        ({ startUpS }) => `start-up ${startUpS} s: too late, %; replicas; reversals/h`,
      ),
    ],
    settings.map((setting) => [
      setting === chosen ? `**${nameOf(setting)}**` : nameOf(setting),
      ...setting.map(({ all }) =>
        [
          all.overSlo.mean.toFixed(2),
          all.replicas.mean.toFixed(1),
          all.reversals.mean.toFixed(1),
        ].join("; "),
      ),
    ]),
  );
}

function nameOf([first]: Setting): string {
  return first?.policy ?? "";
}

function at(setting: Setting, startUpS: number): readonly Outcome[] {
  return setting.filter((outcome) => outcome.startUpS === startUpS);
}

function table(headers: readonly string[], rows: readonly (readonly string[])[]): string {
  return [headers, headers.map(() => "---"), ...rows]
    .map((row) => `| ${row.join(" | ")} |`)
    .join("\n");
}
