import { defineConfig, type ViteUserConfig } from "vitest/config";

/** What counts on time, or takes both cores: nothing else may run meanwhile. */
const alone = ["chaos", "cluster", "outages", "rebalance", "rolling-restart", "scaling"].map(
  (name) => `test/fault/${name}.test.ts`,
);

const withServers = { globalSetup: "test/support/global-setup.ts" };

const config: ViteUserConfig = defineConfig({
  test: {
    pool: "forks",
    // One more than the cores of a small machine: most of what tests do is wait.
    maxWorkers: 3,
    // Slow is normal on two cores, stuck is not.
    testTimeout: 30_000,
    hookTimeout: 30_000,
    // A flake is a bug: nothing is tried twice.
    retry: 0,
    // CI counts from the file.
    reporters: process.env["CI"] ? ["default", "json"] : ["default"],
    outputFile: { json: ".cache/test-results.json" },
    projects: [
      { extends: true, test: { name: "unit", include: ["test/unit/**/*.test.ts"] } },
      {
        extends: true,
        test: {
          ...withServers,
          name: "integration",
          include: ["test/{integration,fault}/**/*.test.ts"],
          exclude: alone,
        },
      },
      {
        extends: true,
        test: {
          ...withServers,
          testTimeout: 60_000,
          sequence: { groupOrder: 1 },
          fileParallelism: false,
          name: "fault",
          include: alone,
        },
      },
      {
        extends: true,
        test: {
          ...withServers,
          testTimeout: 120_000,
          sequence: { groupOrder: 2 },
          fileParallelism: false,
          name: "engine",
          include: ["test/engine/**/*.test.ts"],
        },
      },
    ],
  },
});

export default config;
