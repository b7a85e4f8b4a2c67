import { defineConfig } from "vitest/config";

/** Tests against AWS' interfaces, on a LocalStack of their own: `npm run test:cloud`. `npm test` leaves them out. */
export default defineConfig({
  test: {
    testTimeout: 120_000,
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
    ],
  },
});
