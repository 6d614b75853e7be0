/** What is wrong with a `docktor.yaml`, and how that is told. */
import { describe, expect, test } from "vitest";
import { nearest } from "../../src/scaler/config/nearest.ts";
import { FILE, QUEUE, service, wrong } from "../support/config.ts";

describe("what is wrong is told with its line, its column and its key", () => {
  test.each<[what: string, text: string, problem: string]>([
    [
      "an unknown key",
      service(QUEUE, "max_replica: 3"),
      ":5:5 services[0].max_replica: there is no such key; did you mean max_replicas?",
    ],
    [
      "one in another spelling",
      service(QUEUE, "drainTimeout: 3"),
      ":5:5 services[0].drainTimeout: there is no such key; did you mean drain_timeout?",
    ],
    [
      "one that is near none",
      "compose_file: a.yaml\ncolour: red",
      ":2:1 colour: there is no such key: there are version, compose_file, llm, service, scaling, services",
    ],
    [
      "a key of the other form",
      "servces: []",
      ":1:1 servces: there is no such key; did you mean services?",
    ],
    [
      "a number that is a text",
      service(QUEUE, 'max_replicas: "3"'),
      ':5:19 services[0].max_replicas: "3" is not possible: use a whole number from 1 to 10000',
    ],
    [
      "a fraction",
      service(QUEUE, "min_replicas: 1.5"),
      ":5:19 services[0].min_replicas: 1.5 is not possible: use a whole number from 0 to 10000",
    ],
    [
      "a negative number",
      service(QUEUE, "min_replicas: -1"),
      ":5:19 services[0].min_replicas: -1 is not possible: use a whole number from 0 to 10000",
    ],
    [
      "no value",
      service(QUEUE, "slo:"),
      ":5:9 services[0].slo: has no value: use seconds or a duration such as 500ms, 30s, 5m or 1h, from 1ms to 24h",
    ],
    [
      "a bad duration",
      service(QUEUE, "drain_timeout: 5 min"),
      ':5:20 services[0].drain_timeout: "5 min" is not possible: use seconds or a duration such as 500ms, 30s, 5m or 1h, from 0s to 24h',
    ],
    [
      "a negative duration",
      service(QUEUE, "cooldown: { up: -1 }"),
      ":5:21 services[0].cooldown.up: -1 is not possible: use seconds or a duration",
    ],
    [
      "a duration that is too short",
      service(QUEUE, "check_interval: 50ms"),
      ':5:21 services[0].check_interval: "50ms" is not possible: use seconds or a duration such as 500ms, 30s, 5m or 1h, from 100ms to 1h',
    ],
    [
      "bounds that exclude all",
      service(QUEUE, "min_replicas: 5", "max_replicas: 2"),
      ":6:19 services[0].max_replicas: min_replicas (5) is above max_replicas (2)",
    ],
    [
      "a bound beyond a default",
      service(QUEUE, "min_replicas: 11"),
      ":5:19 services[0].min_replicas: min_replicas (11) is above max_replicas (10), and max_replicas is so unless it is set",
    ],
    [
      "no name",
      "services:\n  - queue: { stream: S, consumer: C }\n    target: { driver: swarm }",
      ':2:5 services[0].name: is missing: use a name of letters, digits, "-", "_" and "."',
    ],
    [
      "a name twice",
      `services:\n  - { name: a, ${QUEUE}, target: { driver: swarm } }\n  - { name: a, ${QUEUE}, target: { driver: swarm } }`,
      ":3:13 services[1].name: services[0] has this name already",
    ],
    [
      "no service",
      "services: []",
      ":1:11 services: a list is not possible: use a list of at least one service",
    ],
    [
      "services that are no list",
      "services: { name: a }",
      ":1:11 services: a group of keys is not possible: use a list of services",
    ],
    [
      "a service that is no group of keys",
      "services: [web]",
      ':1:12 services[0]: "web" is not possible: use the keys name, min_replicas',
    ],
    [
      "an unknown metric",
      service('rules: { scale_up_when: [{ metric: cpu.max_pct, op: ">", value: 1 }] }'),
      ':4:40 services[0].rules.scale_up_when[0].metric: "cpu.max_pct" is not possible: use cpu.avg_pct, queue.backlog, queue.lag, queue.rate_in or queue.rate_out',
    ],
    [
      "a metric without its kind",
      service(QUEUE, 'rules: { scale_up_when: [{ metric: backlog, op: ">", value: 1 }] }'),
      "did you mean queue.backlog?",
    ],
    [
      "an unknown operator",
      service("rules: { scale_up_when: [{ metric: cpu.avg_pct, op: =>, value: 1 }] }"),
      ':4:57 services[0].rules.scale_up_when[0].op: "=>" is not possible: use ">", ">=", "<", "<=", "==" or "!=", in quotes',
    ],
    [
      "a value that is no number",
      service('rules: { scale_up_when: [{ metric: cpu.avg_pct, op: ">", value: high }] }'),
      ':4:69 services[0].rules.scale_up_when[0].value: "high" is not possible: use a number',
    ],
    [
      "a condition without a value",
      service('rules: { scale_up_when: [{ metric: cpu.avg_pct, op: ">" }] }'),
      ":4:30 services[0].rules.scale_up_when[0].value: is missing: use a number",
    ],
    [
      "rules about a queue that there is not",
      service('rules: { scale_up_when: [{ metric: queue.backlog, op: ">", value: 1 }] }'),
      ":4:40 services[0].rules.scale_up_when[0].metric: queue.backlog can never be read, as this service has no queue: add one",
    ],
    [
      "rules about a metric that is not read",
      service(
        "queue: { stream: S, consumer: C, metrics: [backlog] }",
        'rules: { scale_up_when: [{ metric: queue.lag, op: ">", value: 1 }] }',
      ),
      ":5:40 services[0].rules.scale_up_when[0].metric: queue.lag is not read: add lag to the queue's metrics",
    ],
    [
      "rules without a condition",
      service(QUEUE, "rules: { scale_up_when: [] }"),
      ":5:5 services[0].rules: there is no condition: add some to scale_up_when or scale_down_when",
    ],
    [
      "rules that are announced only",
      service(QUEUE, "policy: rules"),
      "services[0].rules: is missing: use scale_up_when and scale_down_when",
    ],
    [
      "a rate without a queue",
      service("policy: rate"),
      "services[0].queue: is missing: use the queue whose rates count, or rules about cpu.avg_pct",
    ],
    [
      "a key that rules do not heed",
      service(
        QUEUE,
        "slo: 5s",
        'rules: { scale_up_when: [{ metric: queue.lag, op: ">", value: 1 }] }',
      ),
      ":5:5 services[0].slo: policy rules does not heed this: remove it, or change policy",
    ],
    [
      "a key that the rate does not heed",
      service(QUEUE, "scale_up_by: 3"),
      ":5:5 services[0].scale_up_by: policy rate does not heed this",
    ],
    [
      "an unknown policy",
      service(QUEUE, "policy: rates"),
      ':5:13 services[0].policy: "rates" is not possible: use rate or rules; did you mean rate?',
    ],
    [
      "an unknown pause",
      service(QUEUE, "paused: on"),
      ':5:13 services[0].paused: "on" is not possible: use true, false, in or out',
    ],
    [
      "KEDA's fallback that shrinks",
      service(QUEUE, "fallback: { replicas: 3, behavior: static }"),
      ':5:40 services[0].fallback.behavior: "static" is not possible: use currentReplicasIfHigher or currentReplicas, as docktor never shrinks on a bad reading',
    ],
    [
      "KEDA's other fallback that shrinks",
      service(QUEUE, "fallback: { replicas: 3, behavior: currentReplicasIfLower }"),
      '"currentReplicasIfLower" is not possible: use currentReplicasIfHigher or currentReplicas, as docktor never shrinks on a bad reading',
    ],
    [
      "a fallback to nothing",
      service(QUEUE, "fallback: { failure_threshold: 3 }"),
      "services[0].fallback.replicas: is missing: use how many replicas to go on with, or behavior: currentReplicas",
    ],
    [
      "a fallback beyond the maximum",
      service(QUEUE, "fallback: { replicas: 11 }"),
      ":5:27 services[0].fallback.replicas: 11 is above max_replicas (10)",
    ],
    [
      "a threshold twice",
      service(QUEUE, "fallback: { replicas: 3, failure_threshold: 1, failureThreshold: 2 }"),
      ":5:52 services[0].fallback.failureThreshold: this is failure_threshold again: remove one",
    ],
    [
      "no stream",
      service("queue: { consumer: C }"),
      ":4:5 services[0].queue.stream: is missing: use the name of a stream",
    ],
    [
      "a stream that cannot be",
      service("queue: { stream: a.b, consumer: C }"),
      ':4:22 services[0].queue.stream: "a.b" is not possible: use the name of a stream',
    ],
    [
      "core NATS",
      service("queue: { stream: S, consumer: C, jetstream: false }"),
      ":4:49 services[0].queue.jetstream: false is not possible: use true: without JetStream there is no backlog to read",
    ],
    [
      "an unknown metric of a queue",
      service("queue: { stream: S, consumer: C, metrics: [backlogs] }"),
      ':4:48 services[0].queue.metrics[0]: "backlogs" is not possible: use backlog, lag, rate_in or rate_out; did you mean backlog?',
    ],
    [
      "an unknown driver",
      `services: [{ name: a, ${QUEUE}, target: { driver: podman } }]`,
      'services[0].target.driver: "podman" is not possible: use process, docker, swarm or kubernetes',
    ],
    [
      "a variable with a name that no process can have",
      `services: [{ name: a, ${QUEUE}, target: { driver: process, env: { "A=B": c } } }]`,
      'services[0].target.env.A=B: "A=B" cannot name a variable: leave out "="',
    ],
    [
      "a variable without a name",
      `services: [{ name: a, ${QUEUE}, target: { driver: process, env: { "": c } } }]`,
      'services[0].target.env.: "" cannot name a variable: write a name',
    ],
    [
      "a variable with the one name that JavaScript keeps for itself",
      `services: [{ name: a, ${QUEUE}, target: { driver: process, env: { __proto__: c } } }]`,
      'services[0].target.env.__proto__: "__proto__" cannot name a variable: JavaScript keeps this name for itself',
    ],
    [
      "no driver",
      `services: [{ name: a, ${QUEUE}, target: { service: b } }]`,
      "services[0].target.driver: is missing: use process, docker, swarm or kubernetes",
    ],
    [
      "a driver and no keys",
      `services: [{ name: a, ${QUEUE}, target: docker }]`,
      'services[0].target: "docker" is not possible: use keys, such as { driver: docker }',
    ],
    [
      "another driver's key",
      `services: [{ name: a, ${QUEUE}, target: { driver: swarm, project: p } }]`,
      "services[0].target.project: there is no such key: there are driver, service, socket",
    ],
    [
      "a command that is a text",
      `services: [{ name: a, ${QUEUE}, target: { driver: process, command: node x.js } }]`,
      'services[0].target.command: "node x.js" is not possible: use a list, such as [node, consumer.js]',
    ],
    [
      "nothing to run",
      'services: [{ name: a, rules: { scale_up_when: [{ metric: cpu.avg_pct, op: ">", value: 1 }] } }]',
      "services[0].target: is missing: use { driver: process, command: [node, consumer.js] }",
    ],
    [
      "a group that docktor consume cannot join",
      'services: [{ name: a, queue: { stream: S, consumer: "a$b" } }]',
      'services[0].queue.consumer: docktor consume, which runs unless target.command is set, cannot use it: group "a$b" is not a valid name',
    ],
    [
      "a low threshold above the high one",
      "scaling: { cpu_high: 50, cpu_low: 60 }",
      ":1:35 scaling.cpu_low: cpu_low (60) must be below cpu_high (50)",
    ],
    [
      "bounds of one service",
      "scaling: { max_replicas: 1 }",
      ":1:26 scaling.max_replicas: min_replicas (2) is above max_replicas (1), and min_replicas is so unless it is set",
    ],
    [
      "another version",
      'version: "2"\ncompose_file: a.yaml',
      ':1:10 version: "2" is not possible: use "1"',
    ],
    [
      "a key twice",
      service(QUEUE, "slo: 1s", "slo: 2s"),
      ":6:5 services[0].slo: is set twice: remove one of them",
    ],
    ["no YAML", "services: [", ":1:12: this is no YAML: "],
    [
      "an alias of nothing",
      "services: *all",
      ":1:11: *all names nothing: set an anchor &all before it",
    ],
    ["nothing at all", "# later\n", ":1:1: the file is empty"],
    [
      "a list",
      "- web\n",
      ":1:1: a list is not possible: use the keys version, compose_file, llm, services",
    ],
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
