import { defineConfig } from "vitest/config";
import { contractFiles, fpgaFiles, unikFiles } from "./test/contract/support/shares.ts";
import { CACHE, COMMON } from "./test/support/vitest-common.ts";

/** Tests against AWS' interfaces, on a LocalStack of their own: `npm run test:cloud`. `npm test` leaves them out. */
export default defineConfig({
  cacheDir: CACHE,
  test: {
    ...COMMON,
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
        // A person's whole way through the console, on the Lambdas
        extends: true,
        test: {
          name: "console",
          include: ["test/console/main-jobs.test.ts", "test/console/large-files.test.ts"],
          globalSetup: ["test/console/support/deployment.ts"],
          maxWorkers: 1,
          sequence: { groupOrder: 2 },
        },
      },
      {
        // The cloud's share of the contract suite, against what PERIGEE_URL names
        extends: true,
        test: {
          name: "contract",
          include: contractFiles("cloud"),
          globalSetup: ["test/contract/support/deployment.ts"],
          maxWorkers: 1,
          isolate: false,
          sequence: { groupOrder: 3 },
        },
      },
      {
        // The same of FPGA images
        extends: true,
        test: {
          name: "contract-fpga",
          include: fpgaFiles("cloud"),
          globalSetup: ["test/contract/fpga/support/deployment.ts"],
          maxWorkers: 1,
          isolate: false,
          sequence: { groupOrder: 4 },
        },
      },
      {
        // And of UniK's API, which a server has and Lambdas have not
        extends: true,
        test: {
          name: "contract-unik",
          include: unikFiles("cloud"),
          globalSetup: ["test/contract/unik/support/deployment.ts"],
          sequence: { groupOrder: 5 },
        },
      },
    ],
  },
});
