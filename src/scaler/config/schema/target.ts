/** The keys that say where a service's replicas run. */
import { resolve } from "node:path";
import { fileURLToPath } from "node:url";
import { z } from "zod";
import type { QueueConfig, TargetConfig } from "../config.ts";
import { object, oneOf, text, word } from "./fields.ts";

/** What a target is completed from. */
interface Surroundings {
  /** The folder of the configuration: paths in it begin there. */
  readonly folder: string;
  /** The file's own `compose_file`. */
  readonly composeFile: string | undefined;
  /** The service's. */
  readonly name: string;
  readonly queue: QueueConfig | undefined;
}

/** A target that lacks nothing but what is said elsewhere. */
export type Target = (surroundings: Surroundings) => TargetConfig;

const COMMAND = "a list, such as [node, consumer.js]";
const SERVICE = text("the name of the service there").optional();
const SOCKET = text("the path of the engine's socket").optional();

/** This package's own `docktor consume`, whether or not there is a docktor on the PATH. */
const CONSUME = [
  process.execPath,
  fileURLToPath(new URL("../../../cli/main.js", import.meta.url)),
  "consume",
];

const KINDS = ["Deployment", "StatefulSet"] as const;

const PROCESS = object({
  driver: z.literal("process"),
  command: z.array(word("a text"), COMMAND).min(1, COMMAND).optional(),
  env: z.record(z.string(), word("a text"), "variables and their values").default({}),
  log_folder: text("the path of a folder").optional(),
});

const DOCKER = object({
  driver: z.literal("docker"),
  compose_file: text("the path of a compose file").optional(),
  project: text("Compose's name of the project").optional(),
  service: SERVICE,
  socket: SOCKET,
});

const SWARM = object({ driver: z.literal("swarm"), service: SERVICE, socket: SOCKET });

const KUBERNETES = object({
  driver: z.literal("kubernetes"),
  namespace: text("the name of a namespace").optional(),
  kind: z.enum(KINDS, oneOf(KINDS)).default("Deployment"),
  name: text("the name of the Deployment or StatefulSet").optional(),
});

const DRIVERS = ["process", "docker", "swarm", "kubernetes"];

const KEYS = z.discriminatedUnion("driver", [PROCESS, DOCKER, SWARM, KUBERNETES], {
  error: ({ code }: { code?: string }) =>
    code === "invalid_type" ? "keys, such as { driver: docker }" : oneOf(DRIVERS),
});

/** `target`. */
export const TARGET: z.ZodType<Target> = KEYS.transform(
  (keys) => (surroundings: Surroundings) => complete(keys, surroundings),
);

/** The service of that name in the compose file. */
export const COMPOSE_TARGET: Target = (surroundings) =>
  complete({ driver: "docker" }, surroundings);

/** Where replicas run if nothing is said of it: as containers where there is a compose file, else as processes. */
export const DEFAULT_TARGET: Target = (surroundings) =>
  surroundings.composeFile === undefined
    ? complete({ driver: "process", env: {} }, surroundings)
    : COMPOSE_TARGET(surroundings);

function complete(keys: z.output<typeof KEYS>, surroundings: Surroundings): TargetConfig {
  const { folder, name } = surroundings;
  switch (keys.driver) {
    case "process": {
      const { driver, command, env, log_folder: logs } = keys;
      const logFolder = logs === undefined ? undefined : resolve(folder, logs);
      const environment = { ...environmentOf(surroundings.queue), ...env };
      return { driver, command: command ?? CONSUME, env: environment, logFolder };
    }
    case "docker": {
      const { driver, compose_file: own, project, service = name, socket } = keys;
      const file = own ?? surroundings.composeFile;
      const composeFile = file === undefined ? undefined : resolve(folder, file);
      return { driver, composeFile, project, service, socket };
    }
    case "swarm": {
      const { driver, service = name, socket } = keys;
      return { driver, service, socket };
    }
    case "kubernetes": {
      const { driver, namespace, kind, name: own = name } = keys;
      return { driver, namespace, kind, name: own };
    }
  }
}

/** What `docktor consume` reads, and a program of the user's own may; an address may hold a password, which a command line would show. */
function environmentOf(queue: QueueConfig | undefined): Record<string, string> {
  if (queue === undefined) return {};
  const { url, stream, consumer, subject } = queue;
  return {
    NATS_URL: url,
    STREAM_NAME: stream,
    GROUP: consumer,
    ...(subject === undefined ? {} : { SUBJECT_PREFIX: subject }),
  };
}
