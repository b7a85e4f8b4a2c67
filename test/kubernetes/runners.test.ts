import { KubernetesApi } from "#agent/pods/kubernetes/api.ts";
import { kubernetesSessions } from "#agent/sessions/kubernetes/kubernetes-sessions.ts";
import { LIMITS } from "#protocol/limits.ts";
import { RUNNER_BOUNDS, runnerRunsConformance } from "#test/conformance/runner-runs.ts";
import { KubernetesRig } from "./support/kubernetes-rig.ts";
import { testCluster } from "./support/test-cluster.ts";

const { memoryBytes, maxCpus, scratchBytes } = RUNNER_BOUNDS;

runnerRunsConformance("Kubernetes", async () => {
  const rig = await KubernetesRig.create();
  const { kubeconfig, image, runnerImage } = testCluster();
  const references = new Map([image, runnerImage].map(({ id, reference }) => [id, reference]));
  const open = () =>
    rig.runtime({
      limits: { memory: memoryBytes, cpus: 1, scratch: scratchBytes },
      runners: { most: LIMITS.runners, maxCpus, scratchBytes },
      images: { reference: async ({ imageId }) => references.get(imageId)! },
      workdir: async () => "",
    });
  const sessions = await kubernetesSessions(await KubernetesApi.open({ kubeconfig }), rig.names);
  return {
    runtime: await open(),
    sessions,
    again: open,
    imageId: runnerImage.id,
    withoutBash: image.id,
    sizes: false,
    async cleanUp() {
      await sessions.close();
      await rig.cleanUp();
    },
  };
});
