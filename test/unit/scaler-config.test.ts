/** `docktor.yaml`: what can be said in it, and how it is understood. */
import { writeFileSync } from "node:fs";
import { join, resolve } from "node:path";
import fc from "fast-check";
import { describe, expect, test } from "vitest";
import { stringify } from "yaml";
import { TEMPLATE } from "../../src/cli/config/template.ts";
import type { ServiceConfig } from "../../src/scaler/config/config.ts";
import { durationMs, writtenDuration } from "../../src/scaler/config/duration.ts";
import { findConfig, loadConfig } from "../../src/scaler/config/load.ts";
import { parseConfig } from "../../src/scaler/config/parse.ts";
import { registerQueue } from "../../src/scaler/signals/registry.ts";
import { temporaryFolder } from "../support/cli.ts";
import { FILE, QUEUE, read, service, wrong } from "../support/config.ts";

/** The only service of a text. */
function readService(text: string): ServiceConfig {
  const { services } = read(text);
  expect(services).toHaveLength(1);
  return services[0] as ServiceConfig;
}

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
      policy: { kind: "rate", utilization: 0.8, sloMs: 10_000, catchUpMs: 10_000 },
      target: {
        driver: "process",
        // What a command line says, everybody on the machine can read.
        command: [process.execPath, expect.stringMatching(/main\.js$/), "consume"],
        env: { NATS_URL: url, STREAM_NAME: "EVENTS", GROUP: "G", SUBJECT_PREFIX: "s" },
      },
    });
  });

  test("a duration is seconds, or has a unit", () => {
    const seconds = ["slo: 0.5", "catch_up: 90", "check_interval: 2", "metrics_window: 3600"];
    const units = ["slo: 500ms", "catch_up: 1.5m", "check_interval: 2s", "metrics_window: 1h"];
    const [first, second] = [seconds, units].map((lines) => readService(service(QUEUE, ...lines)));
    expect(first).toEqual(second);
    expect(first).toMatchObject({
      policy: { sloMs: 500, catchUpMs: 90_000 },
      checkIntervalMs: 2_000,
    });
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
        // What the queue is, and what the user has added.
        env: {
          NATS_URL: "nats://127.0.0.1:4222",
          STREAM_NAME: "EVENTS",
          GROUP: "WORKERS",
          A: "1",
          B: "true",
        },
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
    registerQueue("kafka", () => {
      throw new Error("nobody reads it here");
    });
    expect(parseConfig(text, FILE)).toHaveProperty("config");
  });

  test("the servers that a user names are those of every service, and of docktor consume", () => {
    const text = `services: [{ name: a, ${QUEUE} }]`;
    const parsed = parseConfig(text, FILE, { servers: "nats://elsewhere:4222" });
    expect(parsed).toMatchObject({
      config: {
        services: [
          {
            queue: { url: "nats://elsewhere:4222" },
            target: { env: { NATS_URL: "nats://elsewhere:4222" } },
          },
        ],
      },
    });
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
      .map((line) =>
        line.replace(/^( *)# (?=( *)(- \{|[a-z_]+:( |$)(?!thresholds|as many|nothing)))/, "$1"),
      )
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
  op: fc.constantFrom(
    ">" as const,
    ">=" as const,
    "<" as const,
    "<=" as const,
    "==" as const,
    "!=" as const,
  ),
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

/** Any name; often one that YAML or JavaScript may take for something else. */
const anyName = fc.oneof(
  fc.constantFrom("null", "true", "1e5", "0x1f", "-", "---", "constructor", "toString"),
  fc.stringMatching(/^[A-Za-z0-9_-]{1,12}$/).filter((name) => name !== "__proto__"),
);
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

/** What is read of it: a process is also told of the queue. */
function completed(config: ServiceConfig): ServiceConfig {
  const { queue, target } = config;
  if (target.driver !== "process" || queue?.kind !== "nats") return config;
  const { url, stream, consumer, subject } = queue;
  const told = { NATS_URL: url, STREAM_NAME: stream, GROUP: consumer };
  const where = subject === undefined ? {} : { SUBJECT_PREFIX: subject };
  return { ...config, target: { ...target, env: { ...told, ...where, ...target.env } } };
}

describe("whatever is configured", () => {
  test("is read as it was written", () => {
    const many = fc.uniqueArray(anyService, {
      minLength: 1,
      maxLength: 3,
      selector: ({ name }) => name,
    });
    fc.assert(
      fc.property(many, (services) => {
        const text = stringify({ version: "1", services: services.map(asKeys) });
        expect(read(text).services).toEqual(services.map(completed));
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
      fc
        .array(
          fc.constantFrom(
            "services:",
            "\n",
            "  ",
            "- ",
            "name: a",
            "<<: *x",
            "&x ",
            "!t ",
            "{",
            "rules: ",
            "]",
            ">",
            "null",
          ),
          { maxLength: 20 },
        )
        .map((parts) => parts.join("")),
    );
    fc.assert(
      fc.property(anyText, (text) => {
        const parsed = parseConfig(text, FILE);
        return (
          "config" in parsed || parsed.problems.every(({ line, column }) => line > 0 && column > 0)
        );
      }),
      { numRuns: 500 },
    );
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
