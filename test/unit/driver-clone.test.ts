/** What is taken over from a container that Compose has made, and what is not. */
import { describe, expect, test } from "vitest";
import { cloneOf, fixedPorts, LABEL, memberIdOf } from "../../src/scaler/drivers/docker-clone.ts";
import type { ContainerSource } from "../../src/scaler/drivers/docker-types.ts";
import { lowestFree } from "../../src/scaler/drivers/numbers.ts";

const ID = "4f1c7a0d9e2b".padEnd(64, "0");
const NAMELESS = "ab".repeat(32);

type Changes = {
  Name?: string;
  Config?: Partial<ContainerSource["Config"]>;
  HostConfig?: Partial<ContainerSource["HostConfig"]>;
  Networks?: ContainerSource["NetworkSettings"]["Networks"];
};

/** As an engine describes a container of `docker compose up`. */
function source(changes: Changes = {}): ContainerSource {
  return {
    Id: ID,
    Name: changes.Name ?? "/shop-consumer-1",
    Image: `sha256:${"1".repeat(64)}`,
    Config: {
      Hostname: ID.slice(0, 12),
      Domainname: "",
      User: "node",
      Tty: false,
      ExposedPorts: { "8080/tcp": {} },
      Env: ["NATS_URL=nats://user:secret@nats:4222", "PATH=/usr/bin"],
      Cmd: ["consume"],
      Entrypoint: ["docktor"],
      Image: "shop/consumer:latest",
      Volumes: null,
      WorkingDir: "/app",
      StopSignal: "SIGINT",
      StopTimeout: 60,
      Healthcheck: { Test: ["CMD", "true"] },
      ...changes.Config,
      Labels: {
        [LABEL.project]: "shop",
        [LABEL.service]: "consumer",
        [LABEL.number]: "1",
        [LABEL.oneOff]: "False",
        [LABEL.configHash]: "c0ffee",
        "com.docker.compose.depends_on": "nats:service_started:false",
        "shop.example/tier": "back",
        ...changes.Config?.Labels,
      },
    },
    HostConfig: {
      NetworkMode: "shop_default",
      RestartPolicy: { Name: "unless-stopped", MaximumRetryCount: 0 },
      Memory: 268_435_456,
      Binds: ["/srv/shop:/data:ro", "shop_cache:/cache:rw"],
      CapDrop: ["ALL"],
      ...changes.HostConfig,
    },
    NetworkSettings: {
      Networks: changes.Networks ?? {
        shop_default: {
          NetworkID: "n1",
          Aliases: ["shop-consumer-1", "consumer", ID.slice(0, 12)],
          Links: null,
          DriverOpts: null,
          IPAddress: "172.18.0.5",
          MacAddress: "02:42:ac:12:00:05",
        } as object,
      },
    },
  };
}

interface Settings {
  readonly [setting: string]: unknown;
  readonly Labels: Record<string, string>;
  readonly HostConfig: Record<string, unknown>;
}

const settingsOf = (from: ContainerSource, number = 2): Settings =>
  cloneOf(from, number, "shop/consumer:latest").settings as Settings;

describe("a clone", () => {
  test("has everything that the container was given", () => {
    const { Config, HostConfig } = source();
    const { Hostname: _, Labels: __, ...given } = Config;
    expect(settingsOf(source())).toMatchObject(given);
    expect(settingsOf(source()).HostConfig).toEqual(HostConfig);
  });

  test("differs in its labels by the number alone", () => {
    expect(settingsOf(source(), 7).Labels).toEqual({
      ...source().Config.Labels,
      [LABEL.number]: "7",
    });
  });

  test("does not pretend to replace another container, as the one it is made from did", () => {
    const replacing = source({ Config: { Labels: { [LABEL.replaces]: "an-id" } } });
    expect(settingsOf(replacing).Labels).not.toHaveProperty(LABEL.replaces);
  });

  test("is named as Compose would", () => {
    expect(cloneOf(source(), 3, "").name).toBe("shop-consumer-3");
    expect(cloneOf(source({ Name: "/shop_consumer_1" }), 3, "").name).toBe("shop_consumer_3");
    expect(cloneOf(source({ Name: "/a-name-of-its-own" }), 3, "").name).toBe("shop-consumer-3");
  });

  test("has no host name that the engine has made up, but one that the user has given", () => {
    expect(settingsOf(source())).not.toHaveProperty("Hostname");
    expect(settingsOf(source({ Config: { Hostname: "shop" } }))["Hostname"]).toBe("shop");
  });

  test("is found in its network under the service's name and its own, at an address of its own", () => {
    expect(settingsOf(source())["NetworkingConfig"]).toEqual({
      EndpointsConfig: {
        shop_default: { Aliases: ["shop-consumer-2", "consumer"], Links: [], DriverOpts: {} },
      },
    });
  });

  test("joins the other networks afterwards", () => {
    const Networks = { shop_default: {}, shop_back: { Aliases: ["consumer", "work"] } };
    const { settings, networks } = cloneOf(source({ Networks }), 2, "");
    expect(
      Object.keys((settings as never as { NetworkingConfig: object }).NetworkingConfig),
    ).toEqual(["EndpointsConfig"]);
    expect(networks).toMatchObject([
      { name: "shop_back", endpoint: { Aliases: ["consumer", "work"] } },
    ]);
  });

  test.each(["host", "none", "bridge"])("names no network in mode %s", (NetworkMode) => {
    const Networks = { [NetworkMode]: { Aliases: null } };
    const { settings, networks } = cloneOf(
      source({ HostConfig: { NetworkMode }, Networks }),
      2,
      "",
    );
    expect(settings).not.toHaveProperty("NetworkingConfig");
    expect(networks).toEqual([]);
  });

  test("asks for no name and no ports where it shares another container's network", () => {
    const NetworkMode = `container:${ID}`;
    const settings = settingsOf(
      source({ Config: { Hostname: "other" }, HostConfig: { NetworkMode }, Networks: {} }),
    );
    expect(settings).not.toHaveProperty("Hostname");
    expect(settings).not.toHaveProperty("ExposedPorts");
  });

  test("shares named volumes and folders, but has nameless volumes of its own", () => {
    const Binds = ["/srv/shop:/data", `${NAMELESS}:/scratch:rw`];
    const Mounts = [
      { Type: "volume", Source: "shop_cache", Target: "/cache" },
      { Type: "volume", Source: NAMELESS, Target: "/tmp", VolumeOptions: { NoCopy: true } },
    ];
    const settings = settingsOf(source({ HostConfig: { Binds, Mounts } }));
    expect(settings.HostConfig["Binds"]).toEqual(["/srv/shop:/data"]);
    expect(settings["Volumes"]).toEqual({ "/scratch": {} });
    expect(settings.HostConfig["Mounts"]).toEqual([
      Mounts[0],
      { Type: "volume", Target: "/tmp", VolumeOptions: { NoCopy: true } },
    ]);
  });

  test.each([
    ["shop", "1", "shop-2"],
    ["shop-1", "1", "shop-2"],
    ["shop-7", "1", "shop-7-2"],
  ])("of member %s with number %s is member %s", (id, number, expected) => {
    const Env = ["A=1", `MEMBER_ID=${id}`];
    const settings = settingsOf(source({ Config: { Env, Labels: { [LABEL.number]: number } } }));
    expect(memberIdOf(settings["Env"] as string[])).toBe(expected);
  });

  test("of a container without a member id has none", () => {
    expect(memberIdOf(settingsOf(source())["Env"] as string[])).toBeUndefined();
  });
});

test("only ports that are asked for by number stand in the way", () => {
  const PortBindings = {
    "80/tcp": [{ HostPort: "8080" }],
    "81/tcp": [{ HostPort: "" }],
    "82/tcp": [{ HostPort: "0" }],
    "83/tcp": [{ HostPort: "8090-8099" }],
    "84/tcp": null,
  };
  expect(fixedPorts(source({ HostConfig: { PortBindings } }))).toEqual(["8080"]);
  expect(fixedPorts(source())).toEqual([]);
});

test("the lowest free number fills a gap before it goes on", () => {
  expect(lowestFree([])).toBe(1);
  expect(lowestFree([1, 2, 4])).toBe(3);
  expect(lowestFree([3, 1, 2])).toBe(4);
});
