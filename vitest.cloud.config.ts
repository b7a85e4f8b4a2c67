import { defineConfig } from "vitest/config";
import { LongRunsLast } from "./test/contract/support/long-runs-last.ts";
import { CONTRACT_TAGS } from "./test/contract/support/tags.ts";

/** Tests against AWS' interfaces, on a LocalStack of their own: `npm run test:cloud`. `npm test` leaves them out. */
export default defineConfig({
  test: {
    testTimeout: 120_000,
    hookTimeout: 180_000,
    expect: { poll: { timeout: 30_000 } },
    pool: "forks",
    maxWorkers: 2,
    execArgv: ["--disable-warning=ExperimentalWarning"],
    sequence: { sequencer: LongRunsLast },
    tags: CONTRACT_TAGS,
    projects: [
      {
        extends: true,
        test: {
          name: "cloud",
          include: ["test/cloud/**/*.test.ts"],
          globalSetup: ["test/cloud/support/global-setup.ts"],
        },
      },
      {
        // The whole of it: Lambdas, invoked by a function URL, on what CDK deployed
        extends: true,
        test: {
          name: "deployed",
          include: ["test/deployed/**/*.test.ts"],
          globalSetup: ["test/deployed/support/global-setup.ts"],
          maxWorkers: 1,
          sequence: { groupOrder: 1 },
        },
      },
      {
        // The contract suite as it is, against what PERIGEE_URL names: the deployed cloud
        extends: true,
        test: {
          name: "contract",
          include: ["test/contract/**/*.test.ts"],
          globalSetup: ["test/contract/support/deployment.ts"],
          maxWorkers: 1,
          isolate: false,
          sequence: { groupOrder: 2 },
        },
      },
    ],
  },
});
