/** `docktor scale-watch`: keeps the replicas of services where their load wants them. */
import type { Command } from "commander";
import type { Logger } from "pino";
import {
  DecisionLog,
  decisionEntry,
  decisionLogPath,
  DocktorError,
  findConfig,
  loadConfig,
  type Report,
  Scaler,
  type ScalerObserver,
} from "../index.ts";
import { plural } from "./format.ts";
import { createLog } from "./log.ts";
import { print, printJson } from "./output.ts";
import { actionLine, servicesTable } from "./scale-watch/table.ts";
import { Screen } from "./screen.ts";
import { addSettings } from "./settings.ts";
import { onStop } from "./stop.ts";

interface Flags {
  config?: string;
  once?: true;
  dryRun?: true;
  decisionLog?: string;
  json?: true;
  logLevel: string;
}

/** Adds the command to the program. */
export function addScaleWatch(program: Command): void {
  const command = program
    .command("scale-watch")
    .summary("keep the replicas of services where their load wants them")
    .description(
      "Scale the services of docktor.yaml by what comes in and what waits, until stopped: see docktor config init. " +
        "A replica that is to go hands over first. Of several that run, one acts and the others stand by.",
    )
    .option("--config <file>", "configuration; default: docktor.yaml, else docktor.yml")
    .option("--once", "look for one metrics_window, decide, carry that out, and end")
    .option("--dry-run", "decide and log, but change nothing")
    .option("--decision-log <file>", "log of decisions; default: the one in the XDG state folder")
    .addHelpText(
      "after",
      `
Example:
  docktor scale-watch --dry-run`,
    )
    .action(scaleWatch);
  addSettings(command, "json", "logLevel");
}

async function scaleWatch(flags: Flags): Promise<void> {
  const { once = false, dryRun = false, decisionLog, json = false, logLevel } = flags;
  const config = loadConfig(findConfig(flags.config));
  if (once && !dryRun) refuseShortLived(config.services);
  const log = createLog(logLevel);
  const stop = new AbortController();
  onStop({
    gently: (reason) => {
      log.info(`${reason}: finishing what is under way; once more stops at once`);
      stop.abort();
    },
    atOnce: async () => {},
  });
  const screen = new Screen(process.stdout);
  const decisions = new DecisionLog(decisionLog ?? decisionLogPath(), {
    onError: ({ message }) => log.warn(message),
  });
  const names = config.services.map(({ name }) => name).join(", ");
  const doing = dryRun ? "watching, and changing nothing of," : "scaling";
  log.info(`${doing} ${plural(config.services.length, "service")}: ${names}; decisions are logged in ${decisions.path}`);
  const observer = json ? forPrograms(log) : forPeople(screen, log);
  const scaler = new Scaler({ config, log: decisions, observer, dryRun });
  try {
    await (once ? scaler.runOnce(stop.signal) : scaler.run(stop.signal));
  } finally {
    screen.hide();
  }
}

/** A scaler that ends takes with it the processes that it has started. */
function refuseShortLived(services: readonly { name: string; target: { driver: string } }[]): void {
  const own = services.find(({ target }) => target.driver === "process");
  if (own === undefined) return;
  throw new DocktorError(
    "INVALID_OPTION",
    `--once cannot scale ${own.name}, whose replicas are processes of the scaler's own and end with it: leave --once out, or add --dry-run`,
  );
}

function forPrograms(log: Logger): ScalerObserver {
  return { ...logged(log), report: (report) => printJson(entryOf(report)) };
}

function forPeople(screen: Screen, log: Logger): ScalerObserver {
  const latest = new Map<string, Report>();
  const told = new Map<string, string>();
  return {
    ...logged(log),
    report: (report) => {
      latest.set(report.service, report);
      if (screen.isLive) screen.show(["", ...servicesTable([...latest.values()])]);
      const line = actionLine(report);
      const { decision, service, failing } = report;
      // What goes on as before is told once.
      const gist = `${decision.action} ${decision.target} ${decision.rails.join()} ${failing.length}`;
      if ((decision.action === "hold" || report.dryRun) && told.get(service) === gist) return;
      told.set(service, gist);
      if (screen.isLive) screen.line(line);
      else print(line);
    },
  };
}

function logged(log: Logger): Omit<ScalerObserver, "report"> {
  return {
    trouble: (service, message) => log.warn(service === undefined ? message : `${service}: ${message}`),
    standsBy: (service) => log.info(`${service}: another scaler leads; standing by`),
    leads: (service) => log.info(`${service}: leading`),
    reloaded: () => log.info("the configuration has changed, and is in force"),
  };
}

function entryOf({ service, at, decision, situation, dryRun, policy }: Report): unknown {
  return decisionEntry({ at, service, policy, dryRun, decision, situation });
}
