/** Logs on stderr: lines for people on a terminal, pino's JSON for everything else. */
import { type DestinationStream, type Logger, pino, stdTimeFunctions } from "pino";

/** The command's log. */
export function createLog(level: string): Logger {
  const settings = { level, base: { name: "docktor", pid: process.pid } };
  if (process.stderr.isTTY) return pino(settings, forPeople);
  const timestamp = stdTimeFunctions.isoTime;
  return pino({ ...settings, timestamp }, pino.destination({ fd: 2, sync: true }));
}

const forPeople: DestinationStream = {
  write(line) {
    process.stderr.write(`${formatLogLine(line)}\n`);
  },
};

/** A line of pino's for people: time of day, level unless it is info, message. */
export function formatLogLine(line: string): string {
  const { time, level, msg } = JSON.parse(line) as { time: number; level: number; msg?: string };
  const clock = new Date(time).toTimeString().slice(0, 8);
  const label = level === pino.levels.values["info"] ? "" : `${pino.levels.labels[level]}: `;
  return `${clock} ${label}${msg ?? ""}`;
}
