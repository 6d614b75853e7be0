/** The keys of a whole file, in its two forms: for many services, and the older one for a single service. */
import { z } from "zod";
import type { LlmConfig } from "../config.ts";
import { decimal, object, oneOf, replicas, text } from "./fields.ts";
import {
  CHECK_INTERVAL,
  DEFAULTS,
  METRICS_WINDOW,
  NAME,
  rulesPolicy,
  SERVICE,
  type ServiceDraft,
  STEP,
} from "./service.ts";
import { COMPOSE_TARGET } from "./target.ts";

/** What a file says, before targets are completed. */
export interface Draft {
  /** As it is written: relative to the file. */
  readonly composeFile: string | undefined;
  readonly llm: LlmConfig | undefined;
  readonly services: readonly ServiceDraft[];
}

/** What is so unless it is set in the form for a single service. */
export const SINGLE_DEFAULTS = {
  minReplicas: 2,
  maxReplicas: 10,
  cpuHigh: 75,
  cpuLow: 20,
} as const;

/** Where a model is, and which one, unless it is set. */
const MODELS = {
  dmr: { baseUrl: "http://localhost:12434/engines/llama.cpp/v1", model: "ai/llama3.2" },
  openai: { baseUrl: "https://api.openai.com/v1", model: "gpt-4o-mini" },
} as const;

const PROVIDERS = ["dmr", "openai"] as const;

const LLM: z.ZodType<LlmConfig> = object({
  provider: z.enum(PROVIDERS, oneOf(PROVIDERS)).default("dmr"),
  base_url: text("the address of its API").optional(),
  model: text("the name of a model").optional(),
}).transform(({ provider, base_url: own, model = MODELS[provider].model }) => {
  return { provider, baseUrl: own ?? MODELS[provider].baseUrl, model };
});

const VERSION = z.custom((version) => String(version) === "1", '"1"');

/** What both forms have. */
const COMMON = {
  version: VERSION.optional(),
  compose_file: text("the path of a compose file").optional(),
  llm: LLM.optional(),
};

const MANY = object({
  ...COMMON,
  services: z.array(SERVICE, "a list of services").min(1, "a list of at least one service"),
}).transform(
  ({ compose_file: composeFile, llm, services }): Draft => ({ composeFile, llm, services }),
);

/** CPU may be more than 100 % of a core. */
const PER_CENT = decimal(0, 100_000);

const SCALING = object({
  cpu_high: PER_CENT.default(SINGLE_DEFAULTS.cpuHigh),
  cpu_low: PER_CENT.default(SINGLE_DEFAULTS.cpuLow),
  min_replicas: replicas(0).default(SINGLE_DEFAULTS.minReplicas),
  max_replicas: replicas(1).default(SINGLE_DEFAULTS.maxReplicas),
  scale_up_by: STEP.default(DEFAULTS.scaleUpBy),
  scale_down_by: STEP.default(DEFAULTS.scaleDownBy),
  check_interval: CHECK_INTERVAL.default(10_000),
  metrics_window: METRICS_WINDOW.default(10_000),
});

const SINGLE = object({ ...COMMON, service: NAME.default("web"), scaling: SCALING.prefault({}) }, [
  "services",
]).transform(
  ({ compose_file: composeFile, llm, service, scaling }): Draft => ({
    composeFile,
    llm,
    services: [singleService(service, scaling)],
  }),
);

/** Checks what a file says, apart from what two keys say together. */
export function checkKeys(raw: unknown): z.ZodSafeParseResult<Draft> {
  const single = typeof raw === "object" && raw !== null && !("services" in raw);
  return (single && !Array.isArray(raw) ? SINGLE : MANY).safeParse(raw);
}

/** A service as the older form means it: two thresholds for its CPU. */
function singleService(name: string, scaling: z.output<typeof SCALING>): ServiceDraft {
  const { cpu_high: high, cpu_low: low, scale_up_by: up, scale_down_by: down } = scaling;
  const rules = {
    scaleUpWhen: [{ metric: "cpu.avg_pct", op: ">", value: high }],
    scaleDownWhen: [{ metric: "cpu.avg_pct", op: "<", value: low }],
  } as const;
  return {
    ...SERVICE.parse({ name, rules: { scale_up_when: [], scale_down_when: [] } }),
    minReplicas: scaling.min_replicas,
    maxReplicas: scaling.max_replicas,
    checkIntervalMs: scaling.check_interval,
    metricsWindowMs: scaling.metrics_window,
    policy: rulesPolicy(rules, up, down),
    target: COMPOSE_TARGET,
  };
}
