import type { KubernetesApi } from "../../pods/kubernetes/api.ts";
import type { KubernetesNames } from "../../pods/kubernetes/names.ts";
import { API_SERVER_VARIABLES } from "../../pods/kubernetes/pod.ts";
import type { PodSessions } from "../pod-sessions.ts";
import { ProgramSessions } from "../program-sessions.ts";
import { mayExec } from "./exec-right.ts";
import { KubernetesExec } from "./kubernetes-exec.ts";

/** Output comes by way of a node's kubelet and the API server, which may both be busy. */
const LEFT_OPEN_MS = 3000;

/** Sessions in the pods of a KubernetesRuntime with the same names; without the right to it they offer nothing. */
export async function kubernetesSessions(
  api: KubernetesApi,
  names: Pick<KubernetesNames, "instance" | "pod" | "runOf" | "selector">,
): Promise<PodSessions> {
  return new ProgramSessions(new KubernetesExec(api, names), {
    leftOpenMs: LEFT_OPEN_MS,
    features: (await mayExec(api)) ? ["exec", "files"] : [],
    unset: API_SERVER_VARIABLES,
  });
}
