import type { ClusterDns } from "#agent/pods/kubernetes/namespace.ts";
import type { KindsOfNodes } from "#agent/pods/kubernetes/pod.ts";

export type TestCluster = {
  /** path */
  kubeconfig: string;
  kinds: KindsOfNodes;
  dns: ClusterDns;
  /** an image with busybox, whose WORKDIR is empty: the engine's ID, and what the nodes know it by */
  image: { id: string; reference: string };
  /** the runners' test image */
  runnerImage: { id: string; reference: string };
};

/** The cluster that the tests were given: `PERIGEE_TEST_CLUSTER` holds it as JSON. */
export function testCluster(): TestCluster {
  const text = process.env.PERIGEE_TEST_CLUSTER;
  if (!text) throw new Error("PERIGEE_TEST_CLUSTER is not set: use `npm run test:kubernetes`");
  return JSON.parse(text) as TestCluster;
}
