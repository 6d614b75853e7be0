/** `docktor.yaml`: what can be said in it, and how what cannot be is told. */
import { mkdirSync, writeFileSync } from "node:fs";
import { join, resolve } from "node:path";
import fc from "fast-check";
import { describe, expect, test } from "vitest";
import { stringify } from "yaml";
import { TEMPLATE } from "../../src/cli/config/template.ts";
import { configChecks, runChecks } from "../../src/scaler/config/checks.ts";
import type { ScalerConfig, ServiceConfig } from "../../src/scaler/config/config.ts";
import { durationMs, writtenDuration } from "../../src/scaler/config/duration.ts";
import { findConfig, loadConfig } from "../../src/scaler/config/load.ts";
import { nearest } from "../../src/scaler/config/nearest.ts";
import { parseConfig, problemText } from "../../src/scaler/config/parse.ts";
import { temporaryFolder } from "../support/cli.ts";

const FILE = "docktor.yaml";

/** The configuration of a text; fails with what is wrong with it. */
function read(text: string, file = FILE): ScalerConfig {
  const parsed = parseConfig(text, file);
  if ("config" in parsed) return parsed.config;
  throw new Error(parsed.problems.map(problemText).join("\n"));
}

/** The only service of a text. */
function readService(text: string): ServiceConfig {
  const { services } = read(text);
  expect(services).toHaveLength(1);
  return services[0] as ServiceConfig;
}

/** What is wrong with a text. */
function wrong(text: string): string[] {
  const parsed = parseConfig(text, FILE);
  return "problems" in parsed ? parsed.problems.map(problemText) : [];
}

/** A service that lacks nothing, with these lines. */
function service(...lines: string[]): string {
  return [
    "services:",
    "  - name: consumer",
    "    target: { driver: process, command: [node, consumer.js] }",
    ...lines.map((line) => `    ${line}`),
    "",
  ].join("\n");
}

const QUEUE = "queue: { stream: EVENTS, consumer: WORKERS }";

/** The example of the documents that docktor grew from, verbatim. */
const EXAMPLE = `version: "1"
compose_file: examples/nats-multi/docker-compose.yaml

llm:
  provider: dmr
  model: ai/llama3.2

services:
  - name: web
    min_replicas: 2
    max_replicas: 10
    metrics_window: 30
    check_interval: 10
    rules:
      scale_up_when:
        - metric: cpu.avg_pct
          op: ">"
          value: 75
        - metric: queue.backlog
          op: ">"
          value: 1000
      scale_down_when:
        - metric: cpu.avg_pct
          op: "<"
          value: 20
        - metric: queue.backlog
          op: "<="
          value: 50
    queue:
      kind: nats
      url: nats://nats:4222
      jetstream: true
      stream: EVENTS
      consumer: WEB_WORKERS
      subject: events.web
      metrics:
        - backlog
        - lag
        - rate_in
        - rate_out
`;

describe("what can be said", () => {
  test("the example of the first documents is understood as it is", () => {
    const { file, llm, services } = read(EXAMPLE, "somewhere/docktor.yaml");
    expect({ file, llm }).toEqual({
      file: "somewhere/docktor.yaml",
      llm: {
        provider: "dmr",
        baseUrl: "http://localhost:12434/engines/llama.cpp/v1",
        model: "ai/llama3.2",
      },
    });
    expect(services).toEqual<ServiceConfig[]>([
      {
        name: "web",
        minReplicas: 2,
        maxReplicas: 10,
        metricsWindowMs: 30_000,
        checkIntervalMs: 10_000,
        policy: {
          kind: "rules",
          rules: {
            scaleUpWhen: [
              { metric: "cpu.avg_pct", op: ">", value: 75 },
              { metric: "queue.backlog", op: ">", value: 1_000 },
            ],
            scaleDownWhen: [
              { metric: "cpu.avg_pct", op: "<", value: 20 },
              { metric: "queue.backlog", op: "<=", value: 50 },
            ],
            scaleUpBy: 2,
            scaleDownBy: 1,
          },
        },
        windowMs: 180_000,
        cooldown: { upMs: 0, downMs: 30_000 },
        idleMs: 300_000,
        actionsPerHour: 60,
        fallback: undefined,
        paused: undefined,
        dryRun: false,
        drainTimeoutMs: 30_000,
        target: {
          driver: "docker",
          composeFile: resolve("somewhere/examples/nats-multi/docker-compose.yaml"),
          service: "web",
        },
        queue: {
          kind: "nats",
          url: "nats://nats:4222",
          jetstream: true,
          stream: "EVENTS",
          consumer: "WEB_WORKERS",
          subject: "events.web",
          metrics: ["backlog", "lag", "rate_in", "rate_out"],
        },
      },
    ]);
  });

  test("the form for one service is one with rules about its CPU, which keep their steps", () => {
    const text = `version: "1"
service: api
compose_file: docker-compose.yaml
scaling:
  cpu_high: 80
  cpu_low: 30
  min_replicas: 3
  max_replicas: 12
  scale_up_by: 4
  scale_down_by: 3
  check_interval: 15
  metrics_window: 20
`;
    expect(readService(text)).toMatchObject({
      name: "api",
      minReplicas: 3,
      maxReplicas: 12,
      checkIntervalMs: 15_000,
      metricsWindowMs: 20_000,
      policy: {
        kind: "rules",
        rules: {
          scaleUpWhen: [{ metric: "cpu.avg_pct", op: ">", value: 80 }],
          scaleDownWhen: [{ metric: "cpu.avg_pct", op: "<", value: 30 }],
          scaleUpBy: 4,
          scaleDownBy: 3,
        },
      },
      queue: undefined,
      target: { driver: "docker", composeFile: resolve("docker-compose.yaml"), service: "api" },
    });
  });

  test("the form for one service has the defaults it always had", () => {
    expect(readService("compose_file: docker-compose.yaml\n")).toMatchObject({
      name: "web",
      minReplicas: 2,
      maxReplicas: 10,
      checkIntervalMs: 10_000,
      metricsWindowMs: 10_000,
      policy: {
        rules: {
          scaleUpWhen: [{ metric: "cpu.avg_pct", op: ">", value: 75 }],
          scaleDownWhen: [{ metric: "cpu.avg_pct", op: "<", value: 20 }],
          scaleUpBy: 2,
          scaleDownBy: 1,
        },
      },
    });
  });

  test("a service with a queue and no rules is scaled by rate, by processes of docktor consume", () => {
    const url = "nats://user:secret@host:4222";
    const text = `services: [{ name: a, queue: { url: "${url}", stream: EVENTS, consumer: G, subject: s } }]`;
    expect(readService(text)).toMatchObject({
      minReplicas: 1,
      maxReplicas: 10,
      checkIntervalMs: 5_000,
      policy: { kind: "rate", utilization: 0.8, sloMs: 10_000, catchUpMs: 60_000 },
      target: {
        driver: "process",
        // What a command line says, everybody on the machine can read.
        command: ["docktor", "consume"],
        env: { NATS_URL: url, STREAM_NAME: "EVENTS", GROUP: "G", SUBJECT_PREFIX: "s" },
      },
    });
  });

  test("a duration is seconds, or has a unit", () => {
    const seconds = ["slo: 0.5", "catch_up: 90", "check_interval: 2", "metrics_window: 3600"];
    const units = ["slo: 500ms", "catch_up: 1.5m", "check_interval: 2s", "metrics_window: 1h"];
    const [first, second] = [seconds, units].map((lines) => readService(service(QUEUE, ...lines)));
    expect(first).toEqual(second);
    expect(first).toMatchObject({ policy: { sloMs: 500, catchUpMs: 90_000 }, checkIntervalMs: 2_000 });
  });

  test.each([
    ["paused: false", undefined],
    ["paused: true", "all"],
    ["paused: in", "in"],
    ["paused: out", "out"],
  ])("%s", (line, paused) => {
    expect(readService(service(QUEUE, line)).paused).toBe(paused);
  });

  test.each([
    ["{ replicas: 4 }", 3, 4, "currentReplicasIfHigher"],
    ["{ failure_threshold: 5, replicas: 4 }", 5, 4, "currentReplicasIfHigher"],
    ["{ failureThreshold: 5, replicas: 4, behavior: currentReplicas }", 5, 0, "currentReplicas"],
    ["{ behavior: currentReplicas }", 3, 0, "currentReplicas"],
  ])("fallback %s", (text, failureThreshold, replicas, behavior) => {
    const { fallback } = readService(service(QUEUE, `fallback: ${text}`));
    expect(fallback).toEqual({ failureThreshold, replicas, behavior });
  });

  test.each<[string, ServiceConfig["target"]]>([
    ["{ driver: docker }", { driver: "docker", service: "consumer" }],
    [
      "{ driver: docker, compose_file: a/b.yaml, project: p, service: s, socket: /run/d.sock }",
      {
        driver: "docker",
        composeFile: resolve("a/b.yaml"),
        project: "p",
        service: "s",
        socket: "/run/d.sock",
      },
    ],
    ["{ driver: swarm, service: stack_c }", { driver: "swarm", service: "stack_c" }],
    ["{ driver: kubernetes }", { driver: "kubernetes", kind: "Deployment", name: "consumer" }],
    [
      "{ driver: kubernetes, namespace: n, kind: StatefulSet, name: c }",
      { driver: "kubernetes", namespace: "n", kind: "StatefulSet", name: "c" },
    ],
    [
      "{ driver: process, command: [sleep, 10], env: { A: 1, B: true }, log_folder: logs }",
      {
        driver: "process",
        command: ["sleep", "10"],
        env: { A: "1", B: "true" },
        logFolder: resolve("logs"),
      },
    ],
  ])("target %s", (text, target) => {
    expect(readService(`services: [{ name: consumer, ${QUEUE}, target: ${text} }]`).target).toEqual(
      target,
    );
  });

  test("anchors and merge keys serve many services", () => {
    const text = `services:
  - &first
    name: a
    max_replicas: 4
    target: { driver: swarm }
    ${QUEUE}
  - <<: *first
    name: b
`;
    expect(read(text).services).toMatchObject([
      { name: "a", maxReplicas: 4, target: { service: "a" } },
      { name: "b", maxReplicas: 4, target: { service: "b" } },
    ]);
  });

  test("a queue of another kind is one that was registered", () => {
    const text = service("queue: { kind: kafka, url: x, stream: s, consumer: c }");
    expect(wrong(text)).toEqual([
      `${FILE}:4:20 services[0].queue.kind: kafka is no queue that can be read: use nats`,
    ]);
    expect(parseConfig(text, FILE, ["nats", "kafka"])).toHaveProperty("config");
  });

  test("what docktor config init writes is right", () => {
    expect(read(TEMPLATE).services).toMatchObject([{ name: "consumer", policy: { kind: "rate" } }]);
  });

  test("what docktor config init has commented out is right, too", () => {
    const lines = TEMPLATE.split("\n");
    // Its rules instead of the keys of the rate.
    const ofRate = /^ {4}(policy: rate|slo|catch_up|target_utilization|# replica_rate)/;
    const text = lines
      .filter((line) => !ofRate.test(line) && !/^ {4}# target:/.test(line))
      .map((line) => line.replace(/^( *)# (?=( *)(- \{|[a-z_]+:( |$)(?!thresholds|as many|nothing)))/, "$1"))
      .join("\n");
    expect(readService(text)).toMatchObject({
      policy: { kind: "rules", rules: { scaleUpBy: 2, scaleDownBy: 1 } },
      fallback: { failureThreshold: 3, replicas: 5 },
    });
    for (const line of lines.filter((each) => /^ {4}# target:/.test(each))) {
      const target = line.replace("# ", "").trim();
      expect(wrong(`services: [{ name: a, ${QUEUE}, ${target} }]`)).toEqual([]);
    }
  });
});

/** Any service that is scaled by rate. */
const anyRate = fc.record({
  kind: fc.constant("rate" as const),
  utilization: fc.double({ min: 0.01, max: 1, noNaN: true }),
  sloMs: fc.integer({ min: 1, max: 86_400_000 }),
  catchUpMs: fc.integer({ min: 1, max: 86_400_000 }),
  perReplica: fc.option(fc.double({ min: 0.001, max: 1e9, noNaN: true }), { nil: undefined }),
});

const anyCondition = fc.record({
  metric: fc.constantFrom("queue.backlog", "queue.lag", "queue.rate_in", "cpu.avg_pct"),
  op: fc.constantFrom(">" as const, ">=" as const, "<" as const, "<=" as const, "==" as const, "!=" as const),
  value: fc.double({ noNaN: true, noDefaultInfinity: true }).map((value) => value + 0),
});

const anyRules = fc.record({
  kind: fc.constant("rules" as const),
  rules: fc.record({
    scaleUpWhen: fc.array(anyCondition, { minLength: 1, maxLength: 3 }),
    scaleDownWhen: fc.array(anyCondition, { maxLength: 3 }),
    scaleUpBy: fc.integer({ min: 1, max: 100 }),
    scaleDownBy: fc.integer({ min: 1, max: 100 }),
  }),
});

const anyName = fc.stringMatching(/^[A-Za-z0-9_-]{1,12}$/);
const anyMs = fc.integer({ min: 0, max: 86_400_000 });

const anyService: fc.Arbitrary<ServiceConfig> = fc
  .record({
    name: anyName,
    minReplicas: fc.integer({ min: 0, max: 20 }),
    maxReplicas: fc.integer({ min: 20, max: 10_000 }),
    metricsWindowMs: fc.integer({ min: 1_000, max: 3_600_000 }),
    checkIntervalMs: fc.integer({ min: 100, max: 3_600_000 }),
    policy: fc.oneof(anyRate, anyRules),
    windowMs: anyMs,
    cooldown: fc.record({ upMs: anyMs, downMs: anyMs }),
    idleMs: anyMs,
    actionsPerHour: fc.integer({ min: 1, max: 36_000 }),
    fallback: fc.option(
      fc.record({
        failureThreshold: fc.integer({ min: 1, max: 10_000 }),
        replicas: fc.integer({ min: 0, max: 20 }),
        behavior: fc.constant("currentReplicasIfHigher" as const),
      }),
      { nil: undefined },
    ),
    paused: fc.constantFrom(undefined, "all" as const, "in" as const, "out" as const),
    dryRun: fc.boolean(),
    drainTimeoutMs: anyMs,
    target: fc.oneof(
      fc.record({
        driver: fc.constant("process" as const),
        command: fc.array(fc.string(), { minLength: 1, maxLength: 4 }),
        env: fc.dictionary(anyName, fc.string()),
      }),
      fc.record({
        driver: fc.constant("kubernetes" as const),
        namespace: anyName,
        kind: fc.constantFrom("Deployment" as const, "StatefulSet" as const),
        name: anyName,
      }),
    ),
    queue: fc.record({
      kind: fc.constant("nats"),
      url: fc.constantFrom("nats://a:1", "tls://u:p@b:2,c"),
      jetstream: fc.constant(true),
      stream: anyName,
      consumer: anyName,
      subject: fc.option(fc.constantFrom("events", "a.b.>"), { nil: undefined }),
      metrics: fc.constant(["backlog", "lag", "rate_in"]),
    }),
  })
  .map((each) => ({ ...each, maxReplicas: Math.max(each.maxReplicas, each.minReplicas) }));

/** A duration in one of the ways to write it. */
function written(ms: number): number | string {
  return ms % 2 === 0 ? writtenDuration(ms) : ms / 1_000;
}

/** A service as somebody would write it. */
function asKeys(config: ServiceConfig): object {
  const { policy, fallback, paused, queue, target } = config;
  const rate =
    policy.kind === "rate"
      ? {
          policy: "rate",
          slo: written(policy.sloMs),
          catch_up: written(policy.catchUpMs),
          target_utilization: policy.utilization,
          replica_rate: policy.perReplica,
        }
      : {
          rules: {
            scale_up_when: policy.rules.scaleUpWhen,
            scale_down_when: policy.rules.scaleDownWhen,
          },
          scale_up_by: policy.rules.scaleUpBy,
          scale_down_by: policy.rules.scaleDownBy,
        };
  return {
    name: config.name,
    min_replicas: config.minReplicas,
    max_replicas: config.maxReplicas,
    metrics_window: written(config.metricsWindowMs),
    check_interval: written(config.checkIntervalMs),
    ...rate,
    scale_down_window: written(config.windowMs),
    cooldown: {
      up: written(config.cooldown.upMs),
      down: written(config.cooldown.downMs),
      idle: written(config.idleMs),
    },
    actions_per_hour: config.actionsPerHour,
    fallback: fallback && {
      failure_threshold: fallback.failureThreshold,
      replicas: fallback.replicas,
    },
    paused: paused === "all" ? true : (paused ?? false),
    dry_run: config.dryRun,
    drain_timeout: written(config.drainTimeoutMs),
    queue,
    target,
  };
}

describe("whatever is configured", () => {
  test("is read as it was written", () => {
    const many = fc.uniqueArray(anyService, { minLength: 1, maxLength: 3, selector: ({ name }) => name });
    fc.assert(
      fc.property(many, (services) => {
        const text = stringify({ version: "1", services: services.map(asKeys) });
        expect(read(text).services).toEqual(services);
      }),
    );
  });

  test("a duration that was written is read as it was", () => {
    fc.assert(fc.property(fc.nat(), (ms) => durationMs(writtenDuration(ms)) === ms));
  });

  test("no text makes reading fail in another way than by telling what is wrong", () => {
    const anyText = fc.oneof(
      fc.string(),
      fc.json(),
      fc.array(fc.constantFrom("services:", "\n", "  ", "- ", "name: a", "<<: *x", "&x ", "!t ", "{", "rules: ", "]", ">", "null"), { maxLength: 20 }).map((parts) => parts.join("")),
    );
    fc.assert(
      fc.property(anyText, (text) => {
        const parsed = parseConfig(text, FILE);
        return "config" in parsed || parsed.problems.every(({ line, column }) => line > 0 && column > 0);
      }),
      { numRuns: 500 },
    );
  });
});

describe("what is wrong is told with its line, its column and its key", () => {
  test.each<[what: string, text: string, problem: string]>([
    ["an unknown key", service(QUEUE, "max_replica: 3"), ":5:5 services[0].max_replica: there is no such key; did you mean max_replicas?"],
    ["one in another spelling", service(QUEUE, "drainTimeout: 3"), ":5:5 services[0].drainTimeout: there is no such key; did you mean drain_timeout?"],
    ["one that is near none", "compose_file: a.yaml\ncolour: red", ":2:1 colour: there is no such key: there are version, compose_file, llm, service, scaling, services"],
    ["a key of the other form", "servces: []", ":1:1 servces: there is no such key; did you mean services?"],
    ["a number that is a text", service(QUEUE, 'max_replicas: "3"'), ':5:19 services[0].max_replicas: "3" is not possible: use a whole number from 1 to 10000'],
    ["a fraction", service(QUEUE, "min_replicas: 1.5"), ":5:19 services[0].min_replicas: 1.5 is not possible: use a whole number from 0 to 10000"],
    ["a negative number", service(QUEUE, "min_replicas: -1"), ":5:19 services[0].min_replicas: -1 is not possible: use a whole number from 0 to 10000"],
    ["no value", service(QUEUE, "slo:"), ":5:9 services[0].slo: has no value: use seconds or a duration such as 500ms, 30s, 5m or 1h, from 1ms to 24h"],
    ["a bad duration", service(QUEUE, "drain_timeout: 5 min"), ':5:20 services[0].drain_timeout: "5 min" is not possible: use seconds or a duration such as 500ms, 30s, 5m or 1h, from 0s to 24h'],
    ["a negative duration", service(QUEUE, "cooldown: { up: -1 }"), ":5:21 services[0].cooldown.up: -1 is not possible: use seconds or a duration"],
    ["a duration that is too short", service(QUEUE, "check_interval: 50ms"), ':5:21 services[0].check_interval: "50ms" is not possible: use seconds or a duration such as 500ms, 30s, 5m or 1h, from 100ms to 1h'],
    ["bounds that exclude all", service(QUEUE, "min_replicas: 5", "max_replicas: 2"), ":6:19 services[0].max_replicas: min_replicas (5) is above max_replicas (2)"],
    ["a bound beyond a default", service(QUEUE, "min_replicas: 11"), ":5:19 services[0].min_replicas: min_replicas (11) is above max_replicas (10), and max_replicas is so unless it is set"],
    ["no name", "services:\n  - queue: { stream: S, consumer: C }\n    target: { driver: swarm }", ':2:5 services[0].name: is missing: use a name of letters, digits, "-", "_" and "."'],
    ["a name twice", `services:\n  - { name: a, ${QUEUE}, target: { driver: swarm } }\n  - { name: a, ${QUEUE}, target: { driver: swarm } }`, ":3:13 services[1].name: services[0] has this name already"],
    ["no service", "services: []", ":1:11 services: a list is not possible: use a list of at least one service"],
    ["services that are no list", "services: { name: a }", ":1:11 services: a group of keys is not possible: use a list of services"],
    ["a service that is no group of keys", "services: [web]", ':1:12 services[0]: "web" is not possible: use the keys name, min_replicas'],
    ["an unknown metric", service("rules: { scale_up_when: [{ metric: cpu.max_pct, op: \">\", value: 1 }] }"), ':4:40 services[0].rules.scale_up_when[0].metric: "cpu.max_pct" is not possible: use cpu.avg_pct, queue.backlog, queue.lag, queue.rate_in or queue.rate_out'],
    ["a metric without its kind", service(QUEUE, "rules: { scale_up_when: [{ metric: backlog, op: \">\", value: 1 }] }"), "did you mean queue.backlog?"],
    ["an unknown operator", service("rules: { scale_up_when: [{ metric: cpu.avg_pct, op: =>, value: 1 }] }"), ':4:57 services[0].rules.scale_up_when[0].op: "=>" is not possible: use ">", ">=", "<", "<=", "==" or "!=", in quotes'],
    ["a value that is no number", service("rules: { scale_up_when: [{ metric: cpu.avg_pct, op: \">\", value: high }] }"), ':4:69 services[0].rules.scale_up_when[0].value: "high" is not possible: use a number'],
    ["a condition without a value", service("rules: { scale_up_when: [{ metric: cpu.avg_pct, op: \">\" }] }"), ":4:30 services[0].rules.scale_up_when[0].value: is missing: use a number"],
    ["rules about a queue that there is not", service("rules: { scale_up_when: [{ metric: queue.backlog, op: \">\", value: 1 }] }"), ":4:40 services[0].rules.scale_up_when[0].metric: queue.backlog can never be read, as this service has no queue: add one"],
    ["rules about a metric that is not read", service("queue: { stream: S, consumer: C, metrics: [backlog] }", "rules: { scale_up_when: [{ metric: queue.lag, op: \">\", value: 1 }] }"), ":5:40 services[0].rules.scale_up_when[0].metric: queue.lag is not read: add lag to the queue's metrics"],
    ["rules without a condition", service(QUEUE, "rules: { scale_up_when: [] }"), ":5:5 services[0].rules: there is no condition: add some to scale_up_when or scale_down_when"],
    ["rules that are announced only", service(QUEUE, "policy: rules"), "services[0].rules: is missing: use scale_up_when and scale_down_when"],
    ["a rate without a queue", service("policy: rate"), "services[0].queue: is missing: use the queue whose rates count, or rules about cpu.avg_pct"],
    ["a key that rules do not heed", service(QUEUE, "slo: 5s", "rules: { scale_up_when: [{ metric: queue.lag, op: \">\", value: 1 }] }"), ":5:5 services[0].slo: policy rules does not heed this: remove it, or change policy"],
    ["a key that the rate does not heed", service(QUEUE, "scale_up_by: 3"), ":5:5 services[0].scale_up_by: policy rate does not heed this"],
    ["an unknown policy", service(QUEUE, "policy: rates"), ':5:13 services[0].policy: "rates" is not possible: use rate or rules; did you mean rate?'],
    ["an unknown pause", service(QUEUE, "paused: on"), ':5:13 services[0].paused: "on" is not possible: use true, false, in or out'],
    ["KEDA's fallback that shrinks", service(QUEUE, "fallback: { replicas: 3, behavior: static }"), ':5:40 services[0].fallback.behavior: "static" is not possible: use currentReplicasIfHigher or currentReplicas, as docktor never shrinks on a bad reading'],
    ["KEDA's other fallback that shrinks", service(QUEUE, "fallback: { replicas: 3, behavior: currentReplicasIfLower }"), '"currentReplicasIfLower" is not possible: use currentReplicasIfHigher or currentReplicas, as docktor never shrinks on a bad reading'],
    ["a fallback to nothing", service(QUEUE, "fallback: { failure_threshold: 3 }"), "services[0].fallback.replicas: is missing: use how many replicas to go on with, or behavior: currentReplicas"],
    ["a fallback beyond the maximum", service(QUEUE, "fallback: { replicas: 11 }"), ":5:27 services[0].fallback.replicas: 11 is above max_replicas (10)"],
    ["a threshold twice", service(QUEUE, "fallback: { replicas: 3, failure_threshold: 1, failureThreshold: 2 }"), ":5:52 services[0].fallback.failureThreshold: this is failure_threshold again: remove one"],
    ["no stream", service("queue: { consumer: C }"), ":4:5 services[0].queue.stream: is missing: use the name of a stream"],
    ["a stream that cannot be", service("queue: { stream: a.b, consumer: C }"), ':4:22 services[0].queue.stream: "a.b" is not possible: use the name of a stream'],
    ["core NATS", service("queue: { stream: S, consumer: C, jetstream: false }"), ":4:49 services[0].queue.jetstream: false is not possible: use true: without JetStream there is no backlog to read"],
    ["an unknown metric of a queue", service("queue: { stream: S, consumer: C, metrics: [backlogs] }"), ':4:48 services[0].queue.metrics[0]: "backlogs" is not possible: use backlog, lag, rate_in or rate_out; did you mean backlog?'],
    ["an unknown driver", `services: [{ name: a, ${QUEUE}, target: { driver: podman } }]`, 'services[0].target.driver: "podman" is not possible: use process, docker, swarm or kubernetes'],
    ["no driver", `services: [{ name: a, ${QUEUE}, target: { service: b } }]`, "services[0].target.driver: is missing: use process, docker, swarm or kubernetes"],
    ["a driver and no keys", `services: [{ name: a, ${QUEUE}, target: docker }]`, 'services[0].target: "docker" is not possible: use keys, such as { driver: docker }'],
    ["another driver's key", `services: [{ name: a, ${QUEUE}, target: { driver: swarm, project: p } }]`, "services[0].target.project: there is no such key: there are driver, service, socket"],
    ["a command that is a text", `services: [{ name: a, ${QUEUE}, target: { driver: process, command: node x.js } }]`, 'services[0].target.command: "node x.js" is not possible: use a list, such as [node, consumer.js]'],
    ["nothing to run", "services: [{ name: a, rules: { scale_up_when: [{ metric: cpu.avg_pct, op: \">\", value: 1 }] } }]", "services[0].target: is missing: use { driver: process, command: [node, consumer.js] }"],
    ["a group that docktor consume cannot join", "services: [{ name: a, queue: { stream: S, consumer: \"a$b\" } }]", 'services[0].queue.consumer: docktor consume, which runs unless target.command is set, cannot use it: group "a$b" is not a valid name'],
    ["a low threshold above the high one", "scaling: { cpu_high: 50, cpu_low: 60 }", ":1:35 scaling.cpu_low: cpu_low (60) must be below cpu_high (50)"],
    ["bounds of one service", "scaling: { max_replicas: 1 }", ":1:26 scaling.max_replicas: min_replicas (2) is above max_replicas (1), and min_replicas is so unless it is set"],
    ["another version", 'version: "2"\ncompose_file: a.yaml', ':1:10 version: "2" is not possible: use "1"'],
    ["a key twice", service(QUEUE, "slo: 1s", "slo: 2s"), ":6:5 services[0].slo: is set twice: remove one of them"],
    ["no YAML", "services: [", ":1:12: this is no YAML: "],
    ["an alias of nothing", "services: *all", ":1:11: *all names nothing: set an anchor &all before it"],
    ["nothing at all", "# later\n", ":1:1: the file is empty"],
    ["a list", "- web\n", ":1:1: a list is not possible: use the keys version, compose_file, llm, services"],
  ])("%s", (_what, text, problem) => {
    const problems = wrong(text);
    expect(problems).toEqual([expect.stringContaining(problem)]);
    if (problem.startsWith(":")) expect(problems[0]).toMatch(`${FILE}${problem}`);
  });

  test("all of it at once, in the order of the file", () => {
    const text = `version: "1"
servics: []
services:
  - name: a b
    max_replicas: 0
    check_intervall: 5
    rules:
      scale_up_when:
        - { metric: queue.lagg, op: "=", value: many }
    cooldown: { up: soon }
  - name: c
    min_replicas: 4
    max_replicas: 3
`;
    expect(wrong(text).map((line) => line.split(": ")[0])).toEqual([
      `${FILE}:2:1 servics`,
      `${FILE}:4:5 services[0].target`,
      `${FILE}:4:11 services[0].name`,
      `${FILE}:5:19 services[0].max_replicas`,
      `${FILE}:6:5 services[0].check_intervall`,
      `${FILE}:9:21 services[0].rules.scale_up_when[0].metric`,
      `${FILE}:9:37 services[0].rules.scale_up_when[0].op`,
      `${FILE}:9:49 services[0].rules.scale_up_when[0].value`,
      `${FILE}:10:21 services[0].cooldown.up`,
      `${FILE}:11:5 services[1].queue`,
      `${FILE}:11:5 services[1].target`,
      `${FILE}:13:19 services[1].max_replicas`,
    ]);
  });

  test("never with an address, which may hold a password", () => {
    const text = service('queue: { url: "http://user:geheim@host", stream: S, consumer: C }');
    expect(wrong(text)).toEqual([
      `${FILE}:4:19 services[0].queue.url: this is not the address of a NATS server: write it as nats://host:4222`,
    ]);
  });
});

describe("the file that is read", () => {
  test("is the one that is named, else docktor.yaml, else docktor.yml", () => {
    const folder = temporaryFolder();
    const [yaml, yml] = [join(folder, "docktor.yaml"), join(folder, "docktor.yml")];
    expect(() => findConfig(undefined, folder)).toThrow(
      expect.objectContaining({
        code: "CONFIG_INVALID",
        message: expect.stringContaining("docktor config init"),
      }),
    );
    writeFileSync(yml, "");
    expect(findConfig(undefined, folder)).toBe(yml);
    writeFileSync(yaml, "");
    expect(findConfig(undefined, folder)).toBe(yaml);
    expect(findConfig("other.yaml", folder)).toBe("other.yaml");
  });

  test("that cannot be read, or says what cannot be, is one error", () => {
    const folder = temporaryFolder();
    const file = join(folder, FILE);
    expect(() => loadConfig(file)).toThrow(
      expect.objectContaining({
        code: "CONFIG_INVALID",
        message: expect.stringMatching(/^cannot read the configuration .*--config/),
      }),
    );
    writeFileSync(file, "services: []\ncolour: red\n");
    expect(() => loadConfig(file)).toThrow(
      expect.objectContaining({
        code: "CONFIG_INVALID",
        retriable: false,
        message: expect.stringMatching(/^.*:1:11 services: .*\n.*:2:1 colour: .*$/),
      }),
    );
  });
});

describe("the checks that need files only", () => {
  /** What the checks of a file with this compose file tell. */
  async function checked(compose: string | undefined, text: string): Promise<string[]> {
    const folder = temporaryFolder();
    if (compose !== undefined) writeFileSync(join(folder, "compose.yaml"), compose);
    mkdirSync(join(folder, "more"));
    writeFileSync(join(folder, "more", "b.yaml"), "services: { b: { image: x } }");
    const config = read(`compose_file: compose.yaml\n${text}`, join(folder, FILE));
    const lines: string[] = [];
    for await (const { name, ok, message } of runChecks(configChecks(config))) {
      lines.push(`${ok ? "✓" : "✗"} ${name}: ${message}`.replaceAll(folder, ""));
    }
    return lines;
  }

  const services = (...names: string[]): string =>
    `services: [${names.map((name) => `{ name: ${name}, ${QUEUE} }`).join(", ")}]`;

  test("find the service in the compose file, and those it includes", async () => {
    const compose = "include: [more/b.yaml]\nservices:\n  a: { image: x, ports: !reset [] }\n";
    expect(await checked(compose, services("a", "b"))).toEqual([
      "✓ compose file /compose.yaml: 2 services",
      "✓ a: compose service: a",
      "✓ a: replicas: 1 to 10, every 5s",
      "✓ a: policy: rate: busy for 80 %, waits up to 10s, catches up in 1m",
      "✓ b: compose service: b",
      "✓ b: replicas: 1 to 10, every 5s",
      "✓ b: policy: rate: busy for 80 %, waits up to 10s, catches up in 1m",
    ]);
  });

  test("miss a service whose name is only mentioned", async () => {
    const compose = "services:\n  consumer: { image: consumers }\n";
    expect(await checked(compose, services("consumers"))).toContain(
      "✗ consumers: compose service: /compose.yaml has no service consumers; did you mean consumer?",
    );
  });

  test("miss a compose file that is not there, or is none", async () => {
    expect(await checked(undefined, services("a"))).toContainEqual(
      expect.stringMatching(/^✗ compose file \/compose.yaml: cannot read .* ENOENT/),
    );
    expect(await checked("services: [", services("a"))).toContainEqual(
      expect.stringMatching(/^✗ compose file \/compose.yaml: \/compose.yaml:1:12: this is no YAML/),
    );
    expect(await checked("a: 1", services("a"))).toContainEqual(
      expect.stringContaining("✗ compose file /compose.yaml: /compose.yaml has no services"),
    );
  });

  test("refuse a service of which there can be one only", async () => {
    const compose = "services: { a: { image: x, container_name: only } }";
    expect(await checked(compose, services("a"))).toContainEqual(
      expect.stringContaining("✗ a: compose service: a has a container_name"),
    );
  });

  test("tell rules in words", async () => {
    const rules = '{ scale_up_when: [{ metric: queue.lag, op: ">", value: 9 }] }';
    const text = `services: [{ name: a, ${QUEUE}, rules: ${rules}, paused: in, dry_run: true }]`;
    const lines = await checked("services: { a: {} }", text);
    expect(lines).toContain("✓ a: replicas: 1 to 10, every 5s, paused (in), dry run");
    expect(lines).toContain("✓ a: policy: rules: up by 2 when queue.lag > 9; down never");
  });

  test("one that takes too long has failed", async () => {
    const never = {
      name: "slow",
      run: (signal: AbortSignal) =>
        new Promise<string>((_resolve, reject) => {
          signal.addEventListener("abort", () => reject(signal.reason as Error));
        }),
    };
    const results = [];
    for await (const result of runChecks([never], 1)) results.push(result);
    expect(results).toEqual([
      { name: "slow", ok: false, message: "there was no answer within 1ms" },
    ]);
  });
});

describe("what somebody may have meant", () => {
  test.each([
    ["max_replica", "max_replicas"],
    ["min_replcias", "min_replicas"],
    ["maxReplicas", "max_replicas"],
    ["nmae", "name"],
    ["x", undefined],
    ["colour", undefined],
  ])("%s is %s", (text, meant) => {
    expect(nearest(text, ["name", "min_replicas", "max_replicas", "op"])).toBe(meant);
  });
});
