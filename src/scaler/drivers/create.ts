/** The driver for a target, as the configuration names it. */
import type { TargetConfig } from "../config/config.ts";
import type { Driver } from "./driver.ts";

/**
 * The driver for a service's target. Only that driver's code is loaded: who runs processes needs no Docker client.
 *
 * @param service the service's name, by which the process driver names its replicas
 * @throws DocktorError INVALID_OPTION, TARGET_UNAVAILABLE when it is not even clear what the target is
 */
export async function createDriver(target: TargetConfig, service: string): Promise<Driver> {
  switch (target.driver) {
    case "process": {
      const { ProcessDriver } = await import("./process.ts");
      return new ProcessDriver({ ...target, service });
    }
    case "docker": {
      const { DockerDriver } = await import("./docker.ts");
      return await DockerDriver.open(target);
    }
    case "swarm": {
      const { SwarmDriver } = await import("./swarm.ts");
      return await SwarmDriver.open(target);
    }
    case "kubernetes": {
      const { KubernetesDriver } = await import("./kubernetes.ts");
      return new KubernetesDriver(target);
    }
  }
}
