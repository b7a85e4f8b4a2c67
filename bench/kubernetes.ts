import { clientFor } from "../scripts/docker-engine.ts";
import { BASE_IMAGE, ensureBaseImage } from "../scripts/ensure-base-image.ts";
import { ensureDocker } from "../scripts/ensure-docker.ts";
import { pushTestImage } from "../test/kubernetes/support/push-test-image.ts";
import { measureClusterStart } from "./cluster-start.ts";
import { measureManyPods } from "./many-pods.ts";
import { onCluster } from "./on-cluster.ts";
import type { Row } from "./table.ts";

/** Pods on a Kubernetes cluster, each against `kubectl`. */
export function measureKubernetes(): Promise<Row[]> {
  return onCluster(async ({ kubectl, config, scratch, stack }) => {
    const docker = clientFor((await ensureDocker({ say: () => {} })).host);
    await ensureBaseImage(docker, () => {});
    const image = await pushTestImage(docker, config.imageRegistry, BASE_IMAGE);
    const many = await measureManyPods({ config: config.kubernetes, image, kubectl, scratch });
    const bench = await stack();
    try {
      return [...(await measureClusterStart(bench, kubectl)), ...many];
    } finally {
      await bench.stop();
    }
  });
}
