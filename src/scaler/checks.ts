/** Whether what a configuration names is there: servers, queues, and the places where replicas run. */
import type { Check } from "./config/checks.ts";
import type { ScalerConfig, ServiceConfig } from "./config/config.ts";
import { createDriver } from "./drivers/create.ts";
import "./signals/kinds.ts";
import { createQueue } from "./signals/queue.ts";

/** The checks that need a server, an engine or a cluster. */
export function surroundingChecks({ services }: ScalerConfig): Check[] {
  return services.flatMap((service) => [...queueChecks(service), driverCheck(service)]);
}

function queueChecks({ name, queue }: ServiceConfig): Check[] {
  if (queue === undefined) return [];
  return [
    {
      name: `${name}: server`,
      run: async () => {
        const reader = createQueue(queue);
        try {
          await reader.connect();
          return "answers";
        } finally {
          await reader.close();
        }
      },
    },
    {
      name: `${name}: queue`,
      run: async () => {
        const reader = createQueue(queue);
        try {
          await reader.connect();
          return await reader.validate();
        } finally {
          await reader.close();
        }
      },
    },
  ];
}

function driverCheck({ name, target }: ServiceConfig): Check {
  return {
    name: `${name}: ${target.driver}`,
    run: async (signal) => {
      const driver = await createDriver(target, name);
      try {
        await driver.check(signal);
        const replicas = await driver.current(signal);
        const choice = driver.capabilities.choosesVictim ? "" : "; it chooses by itself which replica goes";
        return `can be used, ${replicas.length} replicas now${choice}`;
      } finally {
        await driver.close();
      }
    },
  };
}
