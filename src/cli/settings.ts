/**
 * What commands can be told: by a flag, else by the environment (`.env` included), else by
 * a default. Numbers are checked here, so that an error names the flag or the variable.
 */
import { existsSync } from "node:fs";
import { type Command, InvalidArgumentError, Option } from "commander";
import { DEFAULT_SERVER, DocktorError } from "../index.ts";
import { complain, messageOf } from "./failure.ts";

const LOG_LEVELS = ["trace", "debug", "info", "warn", "error", "fatal", "silent"];

/** Adds what `.env` in the current folder says to the environment; what is set there wins. */
export function loadEnvironmentFile(): void {
  if (!existsSync(".env")) return;
  if (typeof process.loadEnvFile !== "function") {
    complain(`.env is not read: that needs Node 20.12 or newer, this is ${process.versions.node}`);
    return;
  }
  try {
    process.loadEnvFile(".env");
  } catch (error) {
    throw new DocktorError("INVALID_OPTION", `cannot read .env: ${messageOf(error)}`, {
      cause: error,
    });
  }
}

/** A flag, and what can stand in for it. */
interface Setting {
  readonly flags: string;
  readonly text: string;
  /** The first of these variables that is set, and not empty. */
  readonly variables?: readonly string[];
  readonly fallback?: string | number;
  readonly parse?: (text: string) => unknown;
}

/** The options that commands share, by the name of their value. */
export type SettingName =
  | "servers"
  | "stream"
  | "subject"
  | "partitions"
  | "group"
  | "onlyGroup"
  | "key"
  | "all"
  | "timeoutMs"
  | "memberId"
  | "sessionTtlMs"
  | "restartDelayMs"
  | "record"
  | "processTimeMs"
  | "concurrency"
  | "memberConcurrency"
  | "count"
  | "rate"
  | "keys"
  | "payloadBytes"
  | "burstRate"
  | "burstInterval"
  | "burstDuration"
  | "config"
  | "queueServers"
  | "decisionLog"
  | "json"
  | "logLevel";

const SETTINGS: Readonly<Record<SettingName, Setting>> = {
  servers: {
    flags: "--servers <urls>",
    text: "NATS servers, comma-separated",
    variables: ["NATS_URL"],
    fallback: DEFAULT_SERVER,
  },
  stream: {
    flags: "--stream <name>",
    text: "stream",
    variables: ["STREAM_NAME", "STREAM"],
    fallback: "EVENTS",
  },
  subject: {
    flags: "--subject <prefix>",
    text: "prefix of the partitions' subjects",
    variables: ["SUBJECT_PREFIX", "SUBJECT"],
    fallback: "events",
  },
  partitions: {
    flags: "--partitions <n>",
    text: "partitions of the subject; default: as set up before, else 32",
    variables: ["PARTITIONS"],
    parse: wholeNumber(1, 65_536),
  },
  group: {
    flags: "--group <name>",
    text: "consumer group",
    variables: ["GROUP", "CONSUMER"],
    fallback: "WORKERS",
  },
  onlyGroup: {
    flags: "--group <name>",
    text: "only what this consumer group has set aside; default: all groups",
    variables: ["GROUP", "CONSUMER"],
  },
  key: { flags: "--key <key>", text: "all dead letters of this key" },
  all: { flags: "--all", text: "all dead letters" },
  timeoutMs: {
    flags: "--timeout-ms <ms>",
    text: "how long to wait for what becomes of them",
    fallback: 30_000,
    parse: wholeNumber(0, 86_400_000),
  },
  memberId: {
    flags: "--member-id <id>",
    text: "name of this member; default: host, process id and a random part",
    variables: ["MEMBER_ID"],
  },
  sessionTtlMs: {
    flags: "--session-ttl-ms <ms>",
    text: "how long the group waits for a silent member",
    variables: ["SESSION_TTL_MS"],
    fallback: 5_000,
    parse: wholeNumber(500, 600_000),
  },
  restartDelayMs: {
    flags: "--restart-delay-ms <ms>",
    text: "how long the group keeps this member's partitions for its restart; needs --member-id",
    variables: ["RESTART_DELAY_MS"],
    fallback: 0,
    parse: wholeNumber(0, 3_600_000),
  },
  record: {
    flags: "--record <file>",
    text: "append a line of JSON per processed message; %m becomes the member id",
    variables: ["DOCKTOR_RECORD"],
  },
  processTimeMs: {
    flags: "--process-time-ms <ms>",
    text: "simulate work on each message",
    variables: ["PROCESS_TIME_MS"],
    fallback: 0,
    parse: wholeNumber(0, 86_400_000),
  },
  memberConcurrency: {
    flags: "--member-concurrency <n>",
    text: "messages of all partitions of this member at a time; default: one of each",
    variables: ["MEMBER_CONCURRENCY"],
    parse: wholeNumber(1, 10_000),
  },
  concurrency: {
    flags: "--concurrency <n>",
    text: "messages of one partition at a time, those of one key in order",
    fallback: 1,
    parse: wholeNumber(1, 10_000),
  },
  count: {
    flags: "--count <n>",
    text: "messages to publish; default: until stopped",
    parse: wholeNumber(0, Number.MAX_SAFE_INTEGER),
  },
  rate: {
    flags: "--rate <n>",
    text: "messages per second; default: as fast as possible",
    variables: ["RATE"],
    parse: decimal("messages per second, above 0 (0 only with --burst-rate)", 0),
  },
  keys: {
    flags: "--keys <n>",
    text: "different keys, used in turn",
    fallback: 1_000,
    parse: wholeNumber(1, Number.MAX_SAFE_INTEGER),
  },
  payloadBytes: {
    flags: "--payload-bytes <n>",
    text: "size of each message's data",
    fallback: 128,
    parse: wholeNumber(0, 1_073_741_824),
  },
  burstRate: {
    flags: "--burst-rate <n>",
    text: "messages per second during bursts; default: no bursts",
    variables: ["BURST_RATE"],
    parse: decimal("messages per second, 0 or more", 0),
  },
  burstInterval: {
    flags: "--burst-interval <s>",
    text: "seconds from one burst to the next",
    variables: ["BURST_INTERVAL"],
    fallback: 60,
    parse: decimal("seconds, 0.001 or more", 0.001),
  },
  burstDuration: {
    flags: "--burst-duration <s>",
    text: "seconds that a burst takes, at the end of each interval",
    variables: ["BURST_DURATION"],
    fallback: 10,
    parse: decimal("seconds, 0.001 or more", 0.001),
  },
  config: {
    flags: "--config <file>",
    text: "configuration; default: docktor.yaml, else docktor.yml, in the current folder",
  },
  queueServers: {
    flags: "--servers <urls>",
    text: "NATS servers, comma-separated; default: what the configuration says",
    variables: ["NATS_URL"],
  },
  decisionLog: {
    flags: "--decision-log <file>",
    text: "log of decisions; default: the one in the XDG state folder",
  },
  json: { flags: "--json", text: "print for programs, not for people" },
  logLevel: {
    flags: "--log-level <level>",
    text: LOG_LEVELS.join(", "),
    variables: ["LOG_LEVEL"],
    fallback: "info",
    parse: logLevel,
  },
};

/** Gives a command these options, in this order. */
export function addSettings(command: Command, ...names: SettingName[]): void {
  for (const name of names) command.addOption(optionOf(SETTINGS[name]));
}

function optionOf({ flags, text, variables = [], fallback, parse }: Setting): Option {
  const from = variables.length === 0 ? "" : ` (env: ${variables.join(", ")})`;
  const option = new Option(flags, `${text}${from}`);
  const set = variables.find((name) => process.env[name]);
  if (set !== undefined) option.env(set);
  if (fallback !== undefined) option.default(fallback);
  if (parse !== undefined) option.argParser(parse);
  return option;
}

/** The line of an option in a command's help: the variables are in the description already. */
export function describeOption({ description, defaultValue }: Option): string {
  return defaultValue === undefined ? description : `${description} (default: ${defaultValue})`;
}

/** The variables whose values an error's text is about. */
export function variablesBehind(message: string, command: Command): string[] {
  return command.options.flatMap((option) => {
    const { envVar } = option;
    if (envVar === undefined) return [];
    if (command.getOptionValueSource(option.attributeName()) !== "env") return [];
    return message.includes(process.env[envVar] ?? "") ? [envVar] : [];
  });
}

/** Reads a whole number between these, both included. */
export function wholeNumber(min: number, max: number): (text: string) => number {
  return (text) => {
    const value = Number(text);
    if (/^\d+$/.test(text) && value >= min && value <= max) return value;
    const range = max === Number.MAX_SAFE_INTEGER ? `${min} on` : `${min} to ${max}`;
    throw new InvalidArgumentError(`Use a whole number from ${range}.`);
  };
}

function decimal(wanted: string, min: number): (text: string) => number {
  return (text) => {
    const value = Number(text);
    if (/^\d+(\.\d+)?$/.test(text) && value >= min && value <= 1e9) return value;
    throw new InvalidArgumentError(`Use ${wanted}.`);
  };
}

function logLevel(text: string): string {
  const level = text.toLowerCase();
  if (LOG_LEVELS.includes(level)) return level;
  throw new InvalidArgumentError(`Use ${LOG_LEVELS.join(", ")}.`);
}
