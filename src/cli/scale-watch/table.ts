/** What `docktor scale-watch` shows of services: a table of them all, and a line for what was decided. Pure. */
import type { Report } from "../../index.ts";
import { count, duration, oneLine, rate, table } from "../format.ts";

const HEADERS = ["SERVICE", "REPLICAS", "BACKLOG", "IN", "OUT", "OLDEST", "WANTED"];
const FIGURES = [2, 3, 4, 5];

/** A line for each service. */
export function servicesTable(reports: readonly Report[]): string[] {
  return table(HEADERS, reports.map(rowOf), FIGURES);
}

function rowOf({ service, decision, situation, oldestMs }: Report): string[] {
  const { readings } = situation;
  const figures =
    "unread" in readings
      ? ["?", "?", "?"]
      : [count(readings.backlog), rate(readings.rateIn.short), rate(readings.rateOut)];
  const age = oldestMs === undefined ? "-" : duration(oldestMs);
  return [service, replicasOf(situation.replicas), ...figures, age, String(decision.target)];
}

/** `4`, or with those that are not there: `4 +2 starting +1 failing -1 leaving`. */
function replicasOf({ ready, starting, failing, draining }: Report["situation"]["replicas"]): string {
  const coming = starting > 0 ? ` +${starting} starting` : "";
  const ill = failing > 0 ? ` +${failing} failing` : "";
  const going = draining > 0 ? ` -${draining} leaving` : "";
  return `${ready}${coming}${ill}${going}`;
}

/** What was decided, and why. */
export function actionLine({ service, at, decision, failing, dryRun }: Report): string {
  const { action, current, target, reason } = decision;
  const verb = { up: "scale up", down: "scale down", hold: "hold" }[action];
  const numbers = action === "hold" ? String(current) : `${current}→${target}`;
  const ill = failing.map(({ name, why }) => `; ${name} keeps failing: ${why}`).join("");
  const dry = dryRun && action !== "hold" ? " (dry run)" : "";
  return oneLine(`${at.toTimeString().slice(0, 8)} ${service}: ${verb} ${numbers}${dry}: ${reason}${ill}`);
}
