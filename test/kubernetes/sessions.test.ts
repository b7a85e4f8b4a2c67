import { KubernetesApi } from "#agent/pods/kubernetes/api.ts";
import { kubernetesSessions } from "#agent/sessions/kubernetes/kubernetes-sessions.ts";
import { MiB } from "#protocol/limits.ts";
import { podSessionsConformance } from "#test/conformance/pod-sessions.ts";
import { KubernetesRig } from "./support/kubernetes-rig.ts";
import { testCluster } from "./support/test-cluster.ts";

podSessionsConformance("Kubernetes", async () => {
  const rig = await KubernetesRig.create();
  const { kubeconfig, runnerImage } = testCluster();
  const runtime = await rig.runtime({
    limits: { memory: 256 * MiB, cpus: 2, scratch: 256 * MiB },
    images: { reference: async () => runnerImage.reference },
    workdir: async () => "",
  });
  const sessions = await kubernetesSessions(await KubernetesApi.open({ kubeconfig }), rig.names);
  return {
    sessions,
    async start() {
      const run = rig.sh("", {
        imageId: runnerImage.id,
        mounts: [],
        network: "none",
        defaultWorkdir: "/workspace",
        command: ["/bin/bash", "-c", "while :; do sleep 1000 & wait; done"],
      });
      await runtime.start(run);
      await rig.until(async () => "running" in ((await runtime.inspect(run.run)) ?? {}));
      return run.run;
    },
    async kill(run) {
      // its first process, which ignores what comes from inside
      await runtime.stop(run, 0);
    },
    async cleanUp() {
      await sessions.close();
      await rig.cleanUp();
    },
  };
});
