/**
 * Consumer groups for NATS JetStream: partitioned subjects, leased by members that
 * rebalance by themselves.
 *
 * @packageDocumentation
 */
/// <reference types="node" preserve="true" />
export type { CommitOptions } from "./consumer/committer.ts";
export { Consumer, type ConsumerState } from "./consumer/consumer.ts";
export type { DeadLetter } from "./consumer/dead-letters/dead-letter.ts";
export {
  DeadLetterQueue,
  type DeadLetterQueueOptions,
  type Replayed,
} from "./consumer/dead-letters/dead-letter-queue.ts";
export type { StoredDeadLetter } from "./consumer/dead-letters/dead-letter-stream.ts";
export type {
  EachBatch,
  EachMessage,
  HandlerContext,
  Handlers,
  KeyConcurrency,
  MemberConcurrency,
  MessageBatch,
} from "./consumer/handlers.ts";
export type { Message } from "./consumer/message.ts";
export type { ConsumerOptions, SessionOptions, StallOptions } from "./consumer/options.ts";
export type { PoisonOptions, PoisonPolicy } from "./consumer/dead-letters/poison.ts";
export {
  DocktorError,
  type DocktorErrorOptions,
  type ErrorCode,
  isDocktorError,
} from "./errors.ts";
export type { ConsumerEvents, DeadLetterReason, LostReason } from "./events.ts";
export type { MemberState } from "./lease/records.ts";
export { type ConnectionSource, DEFAULT_SERVER } from "./nats/connection.ts";
export type { MessageHeaders } from "./nats/headers.ts";
export { EmbeddedServer, type EmbeddedServerOptions } from "./nats/embedded-server.ts";
export type { MemberStatusState } from "./partition/group-members.ts";
export {
  type DescribeGroupOptions,
  describeGroup,
  type GroupStatus,
  type MemberStatus,
  type PartitionStatus,
} from "./partition/group-status.ts";
export { partitionOf } from "./partition/partitioner.ts";
export type { PublishAck } from "./producer/message.ts";
export type { ProducerOptions, PublishOrder } from "./producer/options.ts";
export { type Burst, createPacer, type Pace, type Pacer } from "./producer/pacer.ts";
export { type MessageToPublish, Producer, type PublishOptions } from "./producer/producer.ts";
export { type JudgeOptions, judge, type PublishedMessage, type Verdict } from "./record/oracle.ts";
export { type ProcessedRecord, readRecords, RecordWriter } from "./record/record.ts";
export { checkConfig } from "./scaler/checks.ts";
export type { CheckResult as ConfigCheckResult } from "./scaler/config/checks.ts";
export type {
  LlmConfig,
  QueueConfig,
  ScalerConfig,
  ServiceConfig,
  TargetConfig,
} from "./scaler/config/config.ts";
export { findConfig, loadConfig, readConfig } from "./scaler/config/load.ts";
export type { ConfigOptions, ConfigProblem, ParsedConfig } from "./scaler/config/parse.ts";
export type { ScalerReport } from "./scaler/control-loop.ts";
export {
  type ReadDecisions,
  readDecisions,
  type ReadDecisionsOptions,
} from "./scaler/decision-log-reader.ts";
export {
  type DecisionEntry,
  DecisionLog,
  type DecisionLogOptions,
  decisionLogPath,
} from "./scaler/decision-log.ts";
export type { Fallback, PolicySettings, Rail } from "./scaler/policy/decision.ts";
export type { DemandSettings } from "./scaler/policy/demand.ts";
export type {
  PartitionReadings,
  Readings,
  Replicas,
  Unread,
} from "./scaler/policy/readings.ts";
export type { Condition, Operator, Rules } from "./scaler/policy/rules.ts";
export { Scaler, type ScalerEvents, type ScalerOptions } from "./scaler/scaler.ts";
export type { MemberSample, PartSample, QueueReader, QueueSample } from "./scaler/signals/queue.ts";
export { type QueueFactory, registerQueue } from "./scaler/signals/registry.ts";
export {
  type PolicyName,
  POLICIES as SIMULATED_POLICIES,
} from "./scaler/simulator/policies/policies.ts";
export { SERVICE as SIMULATED_SERVICE } from "./scaler/simulator/service.ts";
export { simulate, type Simulated, type SimulateOptions } from "./scaler/simulator/simulate.ts";
export {
  type WorkloadName,
  WORKLOADS as SIMULATED_WORKLOADS,
} from "./scaler/simulator/workloads.ts";
