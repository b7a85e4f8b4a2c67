import { defineConfig } from "vitest/config";
import { SHARED_WORKER_FILES } from "./scripts/shared-worker.ts";
import { contractFiles, fpgaFiles, poseidonFiles, unikFiles } from "./test/contract/support/shares.ts";
import { LONG } from "./test/support/long-run.ts";
import { CACHE, COMMON } from "./test/support/vitest-common.ts";

/** Named in every project: one at the root would run after the setups of the projects. */
const ENGINE = "test/support/global-setup.ts";
const ON_KUBERNETES = process.env.PERIGEE_KUBERNETES_TEST !== undefined;
const kubernetesFiles = (...names: string[]) => names.map((name) => `test/kubernetes/${name}.test.ts`);
/** What is not run with most of the cluster's tests. */
const APART = {
  /** Each puts the agent's rights into the cluster and takes them away again. */
  "kubernetes-access": kubernetesFiles("deployment", "exec-rights", "fpga", "rights"),
  /** These take away parts that all share: a node, the API server, what the registry holds. */
  "kubernetes-alone": kubernetesFiles("losses", "nodes", "registry"),
};

/** Minutes of virtual machines that boot. */
const MACHINES = LONG && process.env.PERIGEE_QEMU !== "off" ? [] : ["agent/pods/qemu/conformance.test.ts"];

export default defineConfig({
  cacheDir: CACHE,
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
            "console/**/*.test.ts",
            "scripts/**/*.test.ts",
            "infra/**/*.test.ts",
            "test/**/*.test.ts",
          ],
          exclude: [
            "test/contract/**",
            "test/cloud/**",
            "test/console/**",
            "test/deployed/**",
            "test/kubernetes/*.test.ts",
            ...MACHINES,
            ...SHARED_WORKER_FILES,
          ],
        },
      },
      {
        // Those of the parts that need no worker of their own, with their modules loaded once
        extends: true,
        test: {
          name: "parts-shared",
          globalSetup: [ENGINE],
          include: SHARED_WORKER_FILES,
          isolate: false,
        },
      },
      {
        // One deployment and one browser, file after file: each looks at all that its users have
        extends: true,
        test: {
          name: "parts-console",
          globalSetup: [ENGINE, "test/console/support/deployment.ts"],
          include: ["test/console/*.test.ts"],
          maxWorkers: 1,
          isolate: false,
          sequence: { groupOrder: 7 },
        },
      },
      {
        // One deployment, which does one command at a time: so do its tests
        extends: true,
        test: {
          name: "contract",
          include: contractFiles(ON_KUBERNETES ? "kubernetes" : "server"),
          globalSetup: [ENGINE, "test/contract/support/deployment.ts"],
          maxWorkers: 1,
          isolate: false,
          sequence: { groupOrder: 1 },
        },
      },
      {
        // Beside one another, since no lock keeps jobs apart: after the EM's, on the same deployment when both are run
        extends: true,
        test: {
          name: "contract-kabuto",
          include: ["test/contract/kabuto/*.test.ts"],
          globalSetup: [ENGINE, "test/contract/kabuto/support/deployment.ts"],
          sequence: { groupOrder: 4 },
        },
      },
      {
        // As Kabuto's: nothing of it takes the lock
        extends: true,
        test: {
          name: "contract-poseidon",
          include: poseidonFiles(ON_KUBERNETES ? "kubernetes" : "server"),
          globalSetup: [ENGINE, "test/contract/poseidon/support/deployment.ts"],
          sequence: { groupOrder: 5 },
        },
      },
      {
        // On the same deployment, file after file: each looks at all that its users have
        extends: true,
        test: {
          name: "contract-fpga",
          include: fpgaFiles("server"),
          globalSetup: [ENGINE, "test/contract/fpga/support/deployment.ts"],
          maxWorkers: 1,
          isolate: false,
          sequence: { groupOrder: 2 },
        },
      },
      {
        // A deployment of its own, with the tools of this machine: its calls wait for no others
        extends: true,
        test: {
          name: "contract-unik",
          include: unikFiles(ON_KUBERNETES ? "kubernetes" : "server"),
          globalSetup: [ENGINE, "test/contract/unik/support/deployment.ts"],
          sequence: { groupOrder: 3 },
        },
      },
      // Need a cluster, which npm run test:kubernetes brings up: one file at a time
      ...(ON_KUBERNETES
        ? [["kubernetes", ["test/kubernetes/*.test.ts"]] as const, ...Object.entries(APART)].map(
            ([name, include], at) => ({
              extends: true as const,
              test: {
                name,
                include: [...include],
                exclude: name === "kubernetes" ? Object.values(APART).flat() : [],
                maxWorkers: 1,
                testTimeout: 540_000,
                sequence: { groupOrder: 6 + at },
              },
            }),
          )
        : []),
    ],
  },
});
