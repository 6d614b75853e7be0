/** What `docktor scale-watch` shows of services: a table of them all, and a line for what was decided. Pure. */
import type { ScalerReport } from "../../index.ts";
import { count, duration, oneLine, rate, table } from "../format.ts";

const HEADERS = ["SERVICE", "REPLICAS", "BACKLOG", "IN", "OUT", "OLDEST", "TARGET"];
const FIGURES = [2, 3, 4, 5];

/** A line for each service. */
export function servicesTable(reports: readonly ScalerReport[]): string[] {
  return table(HEADERS, reports.map(rowOf), FIGURES);
}

function rowOf({ entry, replicas, readings, oldestMs }: ScalerReport): string[] {
  const figures =
    "unread" in readings
      ? ["?", "?", "?"]
      : [count(readings.backlog), rate(readings.rateIn.short), rate(readings.rateOut)];
  const age = oldestMs === undefined ? "-" : duration(oldestMs);
  const { service, target_replicas: target } = entry;
  return [service, replicasOf(replicas), ...figures, age, String(target)];
}

/** `4`, or with those that are not there, or not for long: `4 +2 starting +1 failing -1 draining`. */
function replicasOf({ ready, starting, failing, draining }: ScalerReport["replicas"]): string {
  const others = [
    starting > 0 ? ` +${starting} starting` : "",
    failing > 0 ? ` +${failing} failing` : "",
    draining > 0 ? ` -${draining} draining` : "",
  ];
  return `${ready}${others.join("")}`;
}

/** What was decided, and why. */
export function actionLine({ entry, failing }: ScalerReport): string {
  const { service, decision, reason, dry_run: isDry } = entry;
  const { current_replicas: current, target_replicas: target } = entry;
  const verb = { scale_up: "scale up", scale_down: "scale down", hold: "hold" }[decision];
  const numbers = decision === "hold" ? String(current) : `${current}→${target}`;
  const ill = failing.map(({ name, why }) => `; ${name} keeps failing: ${why}`).join("");
  const dry = isDry && decision !== "hold" ? " (dry run)" : "";
  const time = new Date(entry.ts).toTimeString().slice(0, 8);
  return oneLine(`${time} ${service}: ${verb} ${numbers}${dry}: ${reason}${ill}`);
}
