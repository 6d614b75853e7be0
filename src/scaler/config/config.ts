/** What `docktor.yaml` says, checked and with every default filled in. */
import type { PolicySettings } from "../policy/decision.ts";

/** A configuration. */
export interface ScalerConfig {
  /** The file it was read from, as it was named. */
  readonly file: string;
  /** At least one; no two have the same name. */
  readonly services: readonly ServiceConfig[];
  /** The model that explains decisions; undefined where none is set. */
  readonly llm: LlmConfig | undefined;
}

/** One service, and how it is scaled. */
export interface ServiceConfig extends PolicySettings {
  readonly name: string;
  /** How often it is decided, in milliseconds. Default 5,000, in the form for one service 10,000. */
  readonly checkIntervalMs: number;
  /** Whether decisions are made and logged, and not carried out. Default false. */
  readonly dryRun: boolean;
  /** How long a replica that is to go may take to hand over, in milliseconds. Default 30,000. */
  readonly drainTimeoutMs: number;
  readonly target: TargetConfig;
  /** What the service works on; undefined where it is scaled by its CPU alone. */
  readonly queue: QueueConfig | undefined;
}

/** Where the replicas of a service run. Paths are absolute. */
export type TargetConfig =
  | {
      readonly driver: "process";
      /** The program and its arguments. Default `docktor consume`. */
      readonly command: readonly string[];
      /** What its environment has beside the scaler's own: of the queue, and what the user has added. */
      readonly env: Readonly<Record<string, string>>;
      /** Where what replicas print is kept. Default: the driver's choice. */
      readonly logFolder?: string | undefined;
    }
  | {
      readonly driver: "docker";
      readonly composeFile?: string | undefined;
      /** Compose's name of the project. Default: that of the containers found. */
      readonly project?: string | undefined;
      /** Default: the service's name. */
      readonly service: string;
      /** Where the engine listens. Default: as Docker's own environment says. */
      readonly socket?: string | undefined;
    }
  | {
      readonly driver: "swarm";
      /** Default: the service's name. */
      readonly service: string;
      readonly socket?: string | undefined;
    }
  | {
      readonly driver: "kubernetes";
      /** Default: that of the surroundings. */
      readonly namespace?: string | undefined;
      /** Default `Deployment`. */
      readonly kind: "Deployment" | "StatefulSet";
      /** Default: the service's name. */
      readonly name: string;
    };

/** What a service works on. */
export interface QueueConfig {
  /** `nats`, or another that was registered. Default `nats`. */
  readonly kind: string;
  /** One address or several, comma-separated. Default `nats://127.0.0.1:4222`. */
  readonly url: string;
  /** Always true: without JetStream there is no backlog to read. */
  readonly jetstream: boolean;
  readonly stream: string;
  /** A docktor group, or a plain consumer of the stream. */
  readonly consumer: string;
  readonly subject: string | undefined;
  /** What is read: all of `backlog`, `lag`, `rate_in`, `rate_out` unless some are chosen. */
  readonly metrics: readonly string[];
}

/** The model that explains decisions; it never makes one. */
export interface LlmConfig {
  /** Docker Model Runner, or anything that speaks OpenAI's API. Default `dmr`. */
  readonly provider: "dmr" | "openai";
  readonly baseUrl: string;
  readonly model: string;
}
