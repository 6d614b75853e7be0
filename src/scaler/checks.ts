/** Whether what a configuration names is there: servers, queues, and the places where replicas run. */
import { DocktorError } from "../errors.ts";
import { type Check, type CheckResult, configChecks, runChecks } from "./config/checks.ts";
import type { QueueConfig, ScalerConfig, ServiceConfig } from "./config/config.ts";
import { createDriver } from "./drivers/create.ts";
import type { QueueReader } from "./signals/queue.ts";
import { createQueue } from "./signals/registry.ts";

/** Looks at one thing after the other: first at what the file says, then at what it names. */
export function checkConfig(config: ScalerConfig): AsyncIterable<CheckResult> {
  return runChecks([...configChecks(config), ...surroundingChecks(config)]);
}

/** The checks that need a server, an engine or a cluster. */
function surroundingChecks({ services }: ScalerConfig): Check[] {
  return services.flatMap((service) => [...queueChecks(service), driverCheck(service)]);
}

function queueChecks({ name, queue, policy }: ServiceConfig): Check[] {
  if (queue === undefined) return [];
  const { kind, stream, consumer } = queue;
  const check = (what: string, look: (reader: QueueReader) => Promise<string>): Check => ({
    name: `${name}: ${what}`,
    run: async () => await withReader(queue, look),
  });
  return [
    check(`${kind} server`, async () => "answers"),
    check(`stream ${stream}`, (reader) => reader.validate("stream")),
    check(`consumer ${consumer}`, async (reader) => {
      const found = await reader.validate("consumer");
      if (policy.kind === "rules" || policy.perReplica !== undefined) return found;
      const { members } = await reader.read();
      if (members !== undefined) return found;
      throw new DocktorError(
        "CONFIG_INVALID",
        `${consumer} is no docktor group, whose members would tell how much one replica handles: set replica_rate, or policy: rules`,
      );
    }),
  ];
}

async function withReader(
  queue: QueueConfig,
  look: (reader: QueueReader) => Promise<string>,
): Promise<string> {
  const reader = createQueue(queue);
  try {
    await reader.connect();
    return await look(reader);
  } finally {
    await reader.close();
  }
}

function driverCheck({ name, target }: ServiceConfig): Check {
  return {
    name: `${name}: ${target.driver}`,
    run: async (signal) => {
      const driver = await createDriver(target, name);
      try {
        await driver.check(signal);
        const replicas = await driver.current(signal);
        const choice = driver.capabilities.choosesVictim
          ? ""
          : "; it chooses by itself which replica goes";
        return `can be used, ${replicas.length} replicas now${choice}`;
      } finally {
        await driver.close();
      }
    },
  };
}
