import { KubernetesApi } from "../../pods/kubernetes/api.ts";
import type { KubernetesConfig } from "../../pods/kubernetes/config.ts";
import { KubernetesNames } from "../../pods/kubernetes/names.ts";
import type { PodSessions } from "../pod-sessions.ts";
import { kubernetesSessions } from "./kubernetes-sessions.ts";

/** Sessions in the cluster of the configuration, as far as the agent has the right. @throws Error without credentials */
export async function openKubernetesSessions(
  { kubeconfig, context, prefix }: KubernetesConfig,
  instance: string,
): Promise<PodSessions> {
  const api = await KubernetesApi.open(kubeconfig ? { kubeconfig, context } : { inCluster: true });
  // What a pod is called needs no secret: its namespace is found by its labels.
  return kubernetesSessions(api, new KubernetesNames(instance, instance, prefix));
}
