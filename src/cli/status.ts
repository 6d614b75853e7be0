/** `docktor status`: who is in a group, who owns what, how far behind it is. */
import type { Command } from "commander";
import { describeGroup, type GroupStatus } from "../index.ts";
import { count, duration, table } from "./format.ts";
import { isUp, memberTable, totalsLine } from "./group-table.ts";
import { print, printJson } from "./output.ts";
import { addSettings } from "./settings.ts";

interface Flags {
  servers: string;
  stream: string;
  group: string;
  json?: true;
}

/** How long the group is watched for its rates. */
const SAMPLE_MS = 500;

/** Adds the command to the program. */
export function addStatus(program: Command): void {
  const command = program
    .command("status")
    .summary("show a group's members, its partitions and how far behind it is")
    .description("Show a group's members, its partitions and how far behind it is.")
    .addHelpText(
      "after",
      `
Example:
  docktor status --stream EVENTS --group WORKERS`,
    )
    .action(status);
  addSettings(command, "servers", "stream", "group", "json", "logLevel");
}

async function status({ servers, stream, group, json }: Flags): Promise<void> {
  const described = await describeGroup({ servers, stream, group, sampleMs: SAMPLE_MS });
  if (json) printJson(described);
  else for (const line of statusLines(described, Date.now(), SAMPLE_MS)) print(line);
}

/** A group for people; its rates were measured over `sampleMs`. */
export function statusLines(status: GroupStatus, now: number, sampleMs: number): string[] {
  const { stream, group, members, partitions } = status;
  const partitionRows = partitions.map(({ partition, owner, epoch, checkpoint, lag }) => [
    String(partition),
    owner ?? "-",
    String(epoch),
    String(checkpoint),
    count(lag),
  ]);
  return [
    `group ${group} on stream ${stream}`,
    "",
    ...(members.length === 0 ? [] : [...memberTable(status, now), ""]),
    ...(members.some(isUp)
      ? []
      : [
          "no live members: start your service; docktor consume would handle its messages by doing nothing",
          "",
        ]),
    ...table(["PARTITION", "OWNER", "EPOCH", "CHECKPOINT", "LAG"], partitionRows, [0, 2, 3, 4]),
    "",
    `${totalsLine(status)} (rates from a sample of ${duration(sampleMs)})`,
  ];
}
