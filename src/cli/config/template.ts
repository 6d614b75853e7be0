/** The configuration that `docktor config init` writes. */

/** It can be read as it is; what is commented out are the defaults, or other choices. */
export const TEMPLATE = `# What docktor scales, by what, and where it runs.
#
#   docktor config validate        checks this file and all that it names
#   docktor scale-watch --dry-run  says what would be done, and does nothing
#   docktor scale-watch            scales
#   docktor explain                shows what was decided, and why
#
# A duration is seconds (30), or has a unit: 500ms, 30s, 5m, 1h.
version: "1"

# The compose file of services that run in Docker, relative to this file.
# compose_file: docker-compose.yaml

services:
  - name: consumer
    # There are never fewer or more replicas than these. With 0, the last one is stopped once there
    # has been nothing to do for cooldown.idle, and started again by the next message.
    min_replicas: 1
    max_replicas: 10

    # What it works on: a docktor group, or any consumer of a JetStream stream.
    queue:
      kind: nats
      # NATS_URL in the environment goes before this.
      url: nats://127.0.0.1:4222
      stream: EVENTS
      consumer: WORKERS
      subject: events

    # Where its replicas run, here as processes beside the scaler. They find NATS_URL, STREAM_NAME, SUBJECT_PREFIX,
    # GROUP and a MEMBER_ID in their environment. Without a command it is docktor consume, which takes messages and
    # does nothing with them.
    target:
      driver: process
      command: [node, consumer.js]
      # env: { LOG_LEVEL: info }
      # What they print. By default it is in docktor's state folder, ~/.local/state/docktor/logs/<service>.
      # log_folder: logs
    # target: { driver: docker, compose_file: docker-compose.yaml, service: consumer }
    # target: { driver: swarm, service: stack_consumer }
    # target: { driver: kubernetes, namespace: default, kind: Deployment, name: consumer }

    # rate: as many replicas as the messages that come in need, and as work off the backlog in time.
    policy: rate
    # How long a message may wait.
    slo: 10s
    # In which time a backlog should be worked off.
    catch_up: 10s
    # The share of its time for which a replica should be busy.
    target_utilization: 0.8
    # What one replica handles in a second, until one has told.
    # replica_rate: 20

    # rules: thresholds of your own, instead of policy: rate and the four keys below it. It grows when any
    # condition of scale_up_when holds, and shrinks when all of scale_down_when do. Metrics:
    # queue.backlog (stored and not handled; LAG of docktor status), queue.lag (of a plain consumer those that
    # were not given to anyone yet, of a group the same as the backlog), queue.rate_in and queue.rate_out
    # (messages per second), cpu.avg_pct (of one core).
    # policy: rules
    # scale_up_by: 2
    # scale_down_by: 1
    # rules:
    #   scale_up_when:
    #     - { metric: queue.backlog, op: ">", value: 500 }
    #     - { metric: queue.rate_in, op: ">", value: 200 }
    #   scale_down_when:
    #     - { metric: queue.backlog, op: "<=", value: 100 }
    #     - { metric: queue.rate_in, op: "<", value: 150 }

    # How often it is decided, and over how long rates and CPU are measured.
    check_interval: 5s
    metrics_window: 10s
    # It shrinks to no less than was wanted at any time within this window.
    scale_down_window: 180s
    # How long it is left alone after it has grown or shrunk; idle is for stopping the last replica.
    cooldown: { up: 0s, down: 30s, idle: 300s }
    # How long a replica that is to go may take to hand over.
    drain_timeout: 30s
    # The most actions in an hour.
    actions_per_hour: 60

    # When so many readings in a row have failed, it goes on with at least so many replicas. Without
    # this it stays as it is; it never shrinks on a bad reading.
    # fallback: { failure_threshold: 3, replicas: 5, behavior: currentReplicasIfHigher }

    # true: nothing is done. in: it only grows. out: it only shrinks.
    # paused: false
    # Decide and log, and do nothing.
    # dry_run: false
`;
