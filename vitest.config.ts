import { defineConfig } from "vitest/config";

export default defineConfig({
  test: {
    include: [
      "protocol/**/*.test.ts",
      "lambdas/**/*.test.ts",
      "agent/**/*.test.ts",
      "cli/**/*.test.ts",
      "scripts/**/*.test.ts",
      "test/**/*.test.ts",
    ],
    globalSetup: ["test/support/global-setup.ts"],
    testTimeout: 60_000,
    hookTimeout: 120_000,
    pool: "forks",
    // Tests start engines, servers and agents of their own: more at once only makes each slower
    maxWorkers: 2,
    execArgv: ["--disable-warning=ExperimentalWarning"],
  },
});
