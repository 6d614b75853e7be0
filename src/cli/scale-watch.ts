/** `docktor scale-watch`: keeps the replicas of services where their load wants them. */
import type { Command } from "commander";
import type { Logger } from "pino";
import {
  DecisionLog,
  decisionLogPath,
  DocktorError,
  findConfig,
  loadConfig,
  Scaler,
  type ScalerConfig,
  type ScalerReport,
} from "../index.ts";
import { EXIT, Exit } from "./failure.ts";
import { plural } from "./format.ts";
import { createLog } from "./log.ts";
import { print, printJson } from "./output.ts";
import { actionLine, servicesTable } from "./scale-watch/table.ts";
import { Screen } from "./screen.ts";
import { addSettings } from "./settings.ts";
import { onStop } from "./stop.ts";

interface Flags {
  config?: string;
  servers?: string;
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
    .option(
      "--once",
      "look for one metrics_window, decide, carry that out, and end; it does not shrink, as nobody has watched for a scale_down_window",
    )
    .option("--dry-run", "decide and log, but change nothing")
    .addHelpText(
      "after",
      `
Example:
  docktor scale-watch --dry-run`,
    )
    .action(scaleWatch);
  addSettings(command, "config", "queueServers", "decisionLog", "json", "logLevel");
}

async function scaleWatch(flags: Flags): Promise<void> {
  const {
    once = false,
    dryRun = false,
    decisionLog: file,
    json = false,
    logLevel,
    servers,
  } = flags;
  const config = loadConfig(findConfig(flags.config), { servers });
  if (once && !dryRun) refuseShortLived(config);
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
  const decisionLog = new DecisionLog(file ?? decisionLogPath(), {
    onError: ({ message }) => log.warn(`${message}. Name another file with --decision-log`),
  });
  const doing = dryRun ? "dry run of" : "scaling";
  const names = config.services.map(({ name }) => name).join(", ");
  log.info(
    `${doing} ${plural(config.services.length, "service")}: ${names}; decisions are logged in ${decisionLog.path}`,
  );
  const scaler = new Scaler({ config, decisionLog, dryRun, servers });
  const failed = tellOf(scaler, log);
  scaler.on("decision", json ? ({ entry }) => printJson(entry) : forPeople(screen));
  try {
    await (once ? scaler.runOnce(stop.signal) : scaler.run(stop.signal));
  } finally {
    screen.hide();
  }
  if (once && failed()) throw new Exit(EXIT.failed);
}

/** A scaler that ends takes with it the processes that it has started. */
function refuseShortLived({ services }: ScalerConfig): void {
  const own = services.find(({ target, dryRun }) => target.driver === "process" && !dryRun);
  if (own === undefined) return;
  throw new DocktorError(
    "INVALID_OPTION",
    `--once cannot scale ${own.name}, whose replicas are processes of the scaler's own and end with it: leave --once out, or add --dry-run`,
  );
}

/** Logs what becomes of the scaler, each error once until another one comes; returns whether anything went wrong. */
function tellOf(scaler: Scaler, log: Logger): () => boolean {
  let failed = false;
  const last = new Map<string | undefined, string>();
  scaler.on("error", ({ service, error: { message } }) => {
    failed = true;
    if (last.get(service) === message) return;
    last.set(service, message);
    log.warn(service === undefined ? message : `${service}: ${message}`);
  });
  scaler.on("decision", ({ entry, readings }) => {
    if ("unread" in readings) failed = true;
    else last.delete(entry.service);
  });
  scaler.on("standby", ({ service }) => log.info(`${service}: another scaler leads; standing by`));
  scaler.on("leading", ({ service }) => log.info(`${service}: leading`));
  scaler.on("reloaded", ({ ended }) => {
    const gone = ended.length === 0 ? "" : `; no longer in it, and not scaled: ${ended.join(", ")}`;
    log.info(`the configuration was read again, and is in force${gone}`);
  });
  return () => failed;
}

function forPeople(screen: Screen): (report: ScalerReport) => void {
  const latest = new Map<string, ScalerReport>();
  return (report) => {
    latest.set(report.entry.service, report);
    if (screen.isLive) screen.show(["", ...servicesTable([...latest.values()])]);
    // What goes on as before is told once.
    if (!report.isNew) return;
    const line = actionLine(report);
    if (screen.isLive) screen.line(line);
    else print(line);
  };
}
