import { defineConfig } from "vitest/config";

/** Tests against AWS' interfaces, on a LocalStack of their own: `npm run test:cloud`. `npm test` leaves them out. */
export default defineConfig({
  test: {
    testTimeout: 60_000,
    hookTimeout: 180_000,
    pool: "forks",
    maxWorkers: 2,
    execArgv: ["--disable-warning=ExperimentalWarning"],
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
    ],
  },
});
