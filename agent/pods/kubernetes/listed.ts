import { LABEL } from "../labels.ts";
import type { ListedRun } from "../pod-runtime.ts";
import type { KubernetesNames } from "./names.ts";
import type { KubernetesPods } from "./pods.ts";
import { stateOf } from "./state.ts";

/** All runs and runners of an agent, or those whose pods have these labels too. */
export async function listedPods(
  pods: KubernetesPods,
  names: KubernetesNames,
  labels: Record<string, string> = {},
): Promise<ListedRun[]> {
  const listed: ListedRun[] = [];
  for (const pod of await pods.list(labels)) {
    const run = names.runOf(pod.metadata);
    if (run === undefined) continue;
    const { [LABEL.user]: user = "", [LABEL.pod]: name = "" } = pod.metadata.labels ?? {};
    const state = stateOf(pod, await pods.isLost(pod));
    const phase = "running" in state ? "running" : "terminated" in state ? "ended" : "created";
    listed.push({ run, user, pod: name, phase });
  }
  return listed;
}
