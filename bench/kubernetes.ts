import { mkdtempSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { readConfig } from "#agent/config.ts";
import { clientFor } from "../scripts/docker-engine.ts";
import { BASE_IMAGE, ensureBaseImage } from "../scripts/ensure-base-image.ts";
import { ensureDocker } from "../scripts/ensure-docker.ts";
import { findCluster } from "../test/kubernetes/support/find-cluster.ts";
import { pushTestImage } from "../test/kubernetes/support/push-test-image.ts";
import { startBenchStack } from "./bench-stack.ts";
import { measureClusterStart } from "./cluster-start.ts";
import { measureClusterJobs } from "./kabuto/cluster-jobs.ts";
import { measureManyPods } from "./many-pods.ts";
import type { Row } from "./table.ts";

/** Pods on a Kubernetes cluster (found or made as `npm run test:kubernetes` does), each against `kubectl`. */
export async function measureKubernetes(): Promise<Row[]> {
  const scratch = mkdtempSync(join(tmpdir(), "perigee-bench-kubernetes-"));
  const cluster = await findCluster((line) => console.error(line), new AbortController().signal);
  try {
    const file = join(scratch, "agent.json");
    writeFileSync(file, JSON.stringify(cluster.config));
    const config = readConfig(file);
    if (!config.kubernetes || !config.imageRegistry)
      throw new Error("kubernetes and imageRegistry are needed");
    const docker = clientFor((await ensureDocker({ say: () => {} })).host);
    await ensureBaseImage(docker, () => {});
    const image = await pushTestImage(docker, config.imageRegistry, BASE_IMAGE);
    const kubectl = { program: cluster.kubectl, kubeconfig: cluster.kubeconfig };
    const many = await measureManyPods({ config: config.kubernetes, image, kubectl, scratch });
    const bench = await startBenchStack({ PERIGEE_AGENT_CONFIG: file });
    try {
      const start = await measureClusterStart(bench, kubectl);
      return [...start, ...many, ...(await measureClusterJobs(bench, kubectl))];
    } finally {
      await bench.stop();
    }
  } finally {
    await cluster.down();
    rmSync(scratch, { recursive: true, force: true });
  }
}
