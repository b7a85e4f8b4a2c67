import { ulid } from "ulid";
import { podRuntimeConformance } from "#test/conformance/pod-runtime.ts";
import { KubernetesRig } from "./support/kubernetes-rig.ts";
import { testCluster } from "./support/test-cluster.ts";

podRuntimeConformance("Kubernetes", async () => {
  const rig = await KubernetesRig.create();
  const runtime = await rig.runtime();
  const [node] = (await runtime.nodes()).filter(({ kind }) => kind === "MPU");
  if (!node) throw new Error("the cluster has no node for MPU");
  return {
    runtime,
    imageId: testCluster().image.id,
    imageName: "busybox:latest",
    node: { name: node.name, kind: "MPU" },
    counts: false,
    streamsApart: false,
    volume: () => rig.volume(ulid()),
    addresses: (run) => rig.addresses(run),
    cleanUp: () => rig.cleanUp(),
  };
});
