import { defineConfig } from "vitest/config";
import { COMMON } from "./test/support/vitest-common.ts";

/** Named in every project: one at the root would run after the setups of the projects. */
const ENGINE = "test/support/global-setup.ts";

export default defineConfig({
  test: {
    ...COMMON,
    projects: [
      {
        extends: true,
        test: {
          name: "parts",
          globalSetup: [ENGINE],
          include: [
            "protocol/**/*.test.ts",
            "lambdas/**/*.test.ts",
            "agent/**/*.test.ts",
            "cli/**/*.test.ts",
            "scripts/**/*.test.ts",
            "infra/**/*.test.ts",
            "test/**/*.test.ts",
          ],
          exclude: ["test/contract/**", "test/cloud/**", "test/deployed/**", "test/kubernetes/*.test.ts"],
        },
      },
      {
        // One deployment, which does one command at a time: so do its tests
        extends: true,
        test: {
          name: "contract",
          include: ["test/contract/**/*.test.ts"],
          globalSetup: [ENGINE, "test/contract/support/deployment.ts"],
          maxWorkers: 1,
          isolate: false,
          sequence: { groupOrder: 1 },
        },
      },
      // Needs a cluster, which npm run test:kubernetes brings up: after the contract, one file at a time
      ...(process.env.PERIGEE_KUBERNETES_TEST
        ? [
            {
              extends: true as const,
              test: {
                name: "kubernetes",
                include: ["test/kubernetes/*.test.ts"],
                maxWorkers: 1,
                testTimeout: 540_000,
                sequence: { groupOrder: 2 },
              },
            },
          ]
        : []),
    ],
  },
});
