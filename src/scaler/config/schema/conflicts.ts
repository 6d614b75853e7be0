/**
 * What is wrong with a file although each of its keys may be right: what two of them say together. It looks at what was
 * written, not at what was checked, so that it can be told together with what is wrong with single keys.
 */
import { messageOf } from "../../../errors.ts";
import { checkName, checkSubject } from "../../../partition/names.ts";
import { didYouMean } from "../nearest.ts";
import { type Finding, type Path, valueAt } from "../source.ts";
import { oneOf } from "./fields.ts";
import { SINGLE_DEFAULTS } from "./file.ts";
import { missing } from "./findings.ts";
import { QUEUE_METRICS } from "./queue.ts";
import { DEFAULTS } from "./service.ts";

/** Looks for contradictions; `queueKinds` are the kinds of queues that can be read. */
export function conflictsIn(raw: unknown, queueKinds: readonly string[]): Finding[] {
  const services = valueAt(raw, ["services"]);
  if (services === undefined) return singleConflicts(raw);
  if (!Array.isArray(services)) return [];
  const isCompose = valueAt(raw, ["compose_file"]) !== undefined;
  const names = services.map((service) => valueAt(service, ["name"]));
  return services.flatMap((service: unknown, at) => {
    if (typeof service !== "object" || service === null) return [];
    const look = new Look(service, ["services", at]);
    if (names.indexOf(names[at]) < at && typeof names[at] === "string") {
      look.at("name", `services[${names.indexOf(names[at])}] has this name already`);
    }
    boundsConflicts(look, DEFAULTS);
    policyConflicts(look);
    ruleConflicts(look);
    fallbackConflicts(look);
    queueConflicts(look, queueKinds);
    variableConflicts(look);
    targetConflicts(look, isCompose);
    return look.findings;
  });
}

/** A part of the file, and what was found in it. */
class Look {
  readonly findings: Finding[] = [];
  readonly #part: unknown;
  readonly #path: Path;

  constructor(part: unknown, path: Path) {
    this.#part = part;
    this.#path = path;
  }

  /** The value of a key, such as `queue.url`; undefined if it is not there. */
  get(key: string): unknown {
    return valueAt(this.#part, key.split("."));
  }

  has(key: string): boolean {
    return this.get(key) !== undefined;
  }

  /** The whole number of a key, or `other` if there is none; undefined if it is none from `least` on. */
  whole(key: string, other: number, least = 0): number | undefined {
    const value = this.get(key) ?? other;
    const isWhole = typeof value === "number" && Number.isInteger(value) && value >= least;
    return isWhole ? value : undefined;
  }

  /** Something is wrong with a key or its value. */
  at(key: string | Path, message: string, at: Finding["at"] = "value"): void {
    const within = typeof key === "string" ? key.split(".") : key;
    this.findings.push({ path: [...this.#path, ...within], at, message });
  }

  /** A key is not there, and should be. */
  lacks(key: string, use: string): void {
    this.findings.push(missing([...this.#path, ...key.split(".")], use));
  }
}

function singleConflicts(raw: unknown): Finding[] {
  const look = new Look(valueAt(raw, ["scaling"]), ["scaling"]);
  boundsConflicts(look, SINGLE_DEFAULTS);
  const { cpuHigh, cpuLow } = SINGLE_DEFAULTS;
  const [high, low] = [look.get("cpu_high") ?? cpuHigh, look.get("cpu_low") ?? cpuLow];
  if (typeof high === "number" && typeof low === "number" && low >= high) {
    const key = look.has("cpu_low") ? "cpu_low" : "cpu_high";
    look.at(key, `cpu_low (${low}) must be below cpu_high (${high})`);
  }
  return look.findings;
}

function boundsConflicts(
  look: Look,
  { minReplicas, maxReplicas }: { minReplicas: number; maxReplicas: number },
): void {
  const min = look.whole("min_replicas", minReplicas);
  const max = look.whole("max_replicas", maxReplicas, 1);
  if (min === 0 && !look.has("queue")) {
    look.at(
      "min_replicas",
      "without a queue nothing would tell when to start the first one: set 1",
    );
  }
  if (min === undefined || max === undefined || min <= max) return;
  const [key, other] = look.has("max_replicas")
    ? ["max_replicas", "min_replicas"]
    : ["min_replicas", "max_replicas"];
  const unset = look.has(other) ? "" : `, and ${other} is so unless it is set`;
  look.at(key, `min_replicas (${min}) is above max_replicas (${max})${unset}`);
}

/** The keys that only one of the policies heeds. */
const OF_RATE = ["slo", "catch_up", "target_utilization", "replica_rate"];
const OF_RULES = ["rules", "scale_up_by", "scale_down_by"];

function policyConflicts(look: Look): void {
  const policy = look.get("policy") ?? (look.has("rules") ? "rules" : "rate");
  if (policy !== "rate" && policy !== "rules") return;
  for (const key of policy === "rate" ? OF_RULES : OF_RATE) {
    if (!look.has(key)) continue;
    look.at(key, `policy ${policy} does not heed this: remove it, or change policy`, "key");
  }
  if (policy === "rules" && !look.has("rules")) {
    look.lacks("rules", "scale_up_when and scale_down_when with conditions, or policy: rate");
  }
  if (policy === "rate" && !look.has("queue")) {
    look.lacks("queue", "the queue whose rates count, or rules about cpu.avg_pct");
  }
}

function ruleConflicts(look: Look): void {
  const rules = look.get("rules");
  if (typeof rules !== "object" || rules === null) return;
  const lists = ["scale_up_when", "scale_down_when"].map((name) => ({
    name,
    conditions: look.get(`rules.${name}`) ?? [],
  }));
  for (const { name, conditions } of lists) {
    if (!Array.isArray(conditions)) continue;
    for (const [at, condition] of conditions.entries()) {
      metricConflicts(look, valueAt(condition, ["metric"]), ["rules", name, at, "metric"]);
    }
  }
  if (!lists.every(({ conditions }) => Array.isArray(conditions) && conditions.length === 0))
    return;
  look.at("rules", "there is no condition: add some to scale_up_when or scale_down_when", "key");
}

function metricConflicts(look: Look, metric: unknown, path: Path): void {
  const name = QUEUE_METRICS.find((each) => metric === `queue.${each}`);
  if (name === undefined) return;
  const read = look.get("queue.metrics") ?? QUEUE_METRICS;
  if (!look.has("queue")) {
    look.at(path, `queue.${name} can never be read, as this service has no queue: add one`);
  } else if (Array.isArray(read) && !read.includes(name)) {
    look.at(path, `queue.${name} is not read: add ${name} to the queue's metrics`);
  }
}

function fallbackConflicts(look: Look): void {
  const fallback = look.get("fallback");
  if (typeof fallback !== "object" || fallback === null) return;
  if (look.has("fallback.failure_threshold") && look.has("fallback.failureThreshold")) {
    look.at("fallback.failureThreshold", "this is failure_threshold again: remove one", "key");
  }
  if (!look.has("fallback.replicas")) {
    if (look.get("fallback.behavior") === "currentReplicas") return;
    look.lacks(
      "fallback.replicas",
      "how many replicas to go on with, or behavior: currentReplicas",
    );
    return;
  }
  const replicas = look.whole("fallback.replicas", 0);
  const max = look.whole("max_replicas", DEFAULTS.maxReplicas, 1);
  if (replicas === undefined || max === undefined || replicas <= max) return;
  look.at("fallback.replicas", `${replicas} is above max_replicas (${max})`);
}

function queueConflicts(look: Look, kinds: readonly string[]): void {
  const kind = look.get("queue.kind") ?? "nats";
  if (typeof kind !== "string") return;
  if (!kinds.includes(kind)) {
    const near = didYouMean(kind, kinds);
    look.at("queue.kind", `${kind} is no queue that can be read: use ${oneOf(kinds)}${near}`);
  }
  const url = look.get("queue.url");
  if (kind !== "nats" || typeof url !== "string" || url === "") return;
  if (url.split(",").every(isNatsAddress)) return;
  // It may hold a password: it is not shown.
  look.at("queue.url", "this is not the address of a NATS server: write it as nats://host:4222");
}

function isNatsAddress(text: string): boolean {
  const address = text.trim();
  const full = address.includes("://") ? address : `nats://${address}`;
  if (!URL.canParse(full)) return false;
  const { protocol, hostname } = new URL(full);
  return ["nats:", "tls:"].includes(protocol) && hostname !== "";
}

function variableConflicts(look: Look): void {
  for (const name of Object.keys(look.get("target.env") ?? {})) {
    const problem = problemOfVariable(name);
    if (problem === undefined) continue;
    look.at(["target", "env", name], `"${name}" cannot name a variable: ${problem}`, "key");
  }
}

function problemOfVariable(name: string): string | undefined {
  if (name === "") return "write a name";
  if (name.includes("=")) return 'leave out "="';
  if (name.includes("\0")) return "leave out the null character";
  // zod leaves it out without a word.
  return name === "__proto__" ? "JavaScript keeps this name for itself" : undefined;
}

/** What `docktor consume` can be told, which runs where no other command is set. */
function targetConflicts(look: Look, isCompose: boolean): void {
  const driver = look.has("target") ? look.get("target.driver") : isCompose ? "docker" : "process";
  if (driver !== "process" || look.has("target.command")) return;
  if (!look.has("queue")) {
    const key = look.has("target") ? "target.command" : "target";
    const command = "command: [node, consumer.js]";
    look.lacks(key, key === "target" ? `{ driver: process, ${command} }` : command);
    return;
  }
  const checks = [
    ["stream", (name: string) => checkName("stream", name)],
    ["consumer", (name: string) => checkName("group", name)],
    ["subject", checkSubject],
  ] as const;
  for (const [key, check] of checks) {
    const value = look.get(`queue.${key}`);
    if (typeof value !== "string" || value === "") continue;
    try {
      check(value);
    } catch (error) {
      const own = "docktor consume, which runs unless target.command is set, cannot use it";
      look.at(`queue.${key}`, `${own}: ${messageOf(error)}`);
    }
  }
}
