/** Configurations for tests: texts of `docktor.yaml`, and what becomes of them. */
import { parseConfig, problemText } from "../../src/scaler/config/parse.ts";
import type { ScalerConfig } from "../../src/scaler/config/config.ts";

export const FILE = "docktor.yaml";

/** The queue of a service. */
export const QUEUE = "queue: { stream: EVENTS, consumer: WORKERS }";

/** A service that lacks nothing, with these lines. */
export function service(...lines: string[]): string {
  return [
    "services:",
    "  - name: consumer",
    "    target: { driver: process, command: [node, consumer.js] }",
    ...lines.map((line) => `    ${line}`),
    "",
  ].join("\n");
}

/** The configuration of a text; fails with what is wrong with it. */
export function read(text: string, file: string = FILE): ScalerConfig {
  const parsed = parseConfig(text, file);
  if ("config" in parsed) return parsed.config;
  throw new Error(parsed.problems.map(problemText).join("\n"));
}

/** What is wrong with a text. */
export function wrong(text: string): string[] {
  const parsed = parseConfig(text, FILE);
  return "problems" in parsed ? parsed.problems.map(problemText) : [];
}
