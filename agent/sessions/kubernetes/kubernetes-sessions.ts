import type { KubernetesApi } from "../../pods/kubernetes/api.ts";
import type { KubernetesNames } from "../../pods/kubernetes/names.ts";
import { API_SERVER_VARIABLES } from "../../pods/kubernetes/pod.ts";
import type { PodSessions } from "../pod-sessions.ts";
import { ProgramSessions } from "../program-sessions.ts";
import { mayExec } from "./exec-right.ts";
import { KubernetesExec } from "./kubernetes-exec.ts";

/** Sessions in the pods of a KubernetesRuntime with the same names; without the right to it they offer nothing. */
export async function kubernetesSessions(
  api: KubernetesApi,
  names: Pick<KubernetesNames, "instance" | "pod" | "runOf" | "selector">,
): Promise<PodSessions> {
  return new ProgramSessions(new KubernetesExec(api, names), {
    features: (await mayExec(api)) ? ["exec", "files"] : [],
    unset: API_SERVER_VARIABLES,
  });
}
